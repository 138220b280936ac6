"""Batches of windows as tensors: numbers from memory, images streamed from disk."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dp_ros.data.windows import Windows
from dp_ros.learning.observations import Observations
from dp_ros.learning.reading import FramesAt, read


@dataclass(frozen=True)
class Examples:
    """Observations and the actions (B, T_p, A) that followed."""

    observations: Observations
    actions: Tensor


def batches(
    windows: Windows,
    rows: Iterable[Tensor],
    device: str,
    workers: int = 0,
    with_images: bool = True,
) -> Iterator[Examples]:
    """The windows at each element (B,) of `rows`, on `device`.

    Images, if there are any, are read by `workers` processes ahead of time (learning/reading.py).
    """
    vector = torch.from_numpy(windows.observations).to(device)
    actions = torch.from_numpy(windows.actions).to(device)
    ahead, now = itertools.tee(rows)
    images: Iterator[dict[str, Tensor]] = itertools.repeat({})
    if windows.frames and with_images:
        frames = FramesAt(windows.frames, windows.steps)
        images = read(frames, (part.tolist() for part in ahead), device, workers)
    for part, seen in zip(now, images, strict=False):
        here = part.to(device)
        yield Examples(Observations(vector[here], seen), actions[here])
