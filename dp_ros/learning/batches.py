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
    """Observations and actions (B, T_p, A); later: (B, T_p - T_o, D), observed afterwards."""

    observations: Observations
    actions: Tensor
    later: Tensor | None = None


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
    later = None if windows.later is None else torch.from_numpy(windows.later).to(device)
    looking = windows.frames and with_images
    pairs = _with_images(windows, rows, device, workers) if looking else ((r, {}) for r in rows)
    for part, seen in pairs:
        here = part.to(device)
        after = None if later is None else later[here]
        yield Examples(Observations(vector[here], seen), actions[here], after)


def _with_images(
    windows: Windows, rows: Iterable[Tensor], device: str, workers: int
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """The rows, and the images at each of them, which are asked for ahead of time.

    What `tee` holds are the rows that are read ahead: both of its ends must be consumed.
    """
    ahead, now = itertools.tee(rows)
    frames = FramesAt(windows.frames, windows.steps)
    images = read(frames, (part.tolist() for part in ahead), device, workers)
    return zip(now, images, strict=False)
