"""Images as tensors on a device, read by worker processes ahead of time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dp_ros.data.frames import FrameStore, HeldFrames

Images = Mapping[str, NDArray[np.uint8]]
Stores = Mapping[str, FrameStore | HeldFrames]
Fetch = Callable[[list[int]], Images]
"""Rows -> images by camera; it is sent to the workers."""


def read(
    fetch: Fetch, rows: Iterable[list[int]], device: str, workers: int
) -> Iterator[dict[str, Tensor]]:
    """What `fetch` gives for each element of `rows`, in order, on `device`.

    `workers` processes read two elements ahead each; with 0 this process reads when it is asked.
    Nothing else is held, however many rows there are.
    """
    pinned = torch.device(device).type == 'cuda'
    collate: Any = _tensors  # it is given what `fetch` gave, not a list
    loader: DataLoader[Any] = DataLoader(
        _Fetched(fetch),
        batch_sampler=rows,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pinned,
        # A forked process would share this one's threads and GPU.
        multiprocessing_context='spawn' if workers else None,
    )
    for images in loader:
        yield {name: frames.to(device, non_blocking=pinned) for name, frames in images.items()}


class FramesAt:
    """Rows -> images[camera] (n, ..., H, W, 3): the frames that `index` (N, ...) names for them.

    It holds no more than the workers need.
    """

    def __init__(self, stores: Stores, index: NDArray[np.int64]) -> None:
        self._stores, self._index = stores, index

    def __call__(self, rows: list[int]) -> Images:
        return {name: store.read(self._index[rows]) for name, store in self._stores.items()}


class _Fetched(Dataset[Any]):
    """`fetch` as a DataLoader wants it: whole batches at a time."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    def __getitems__(self, rows: list[int]) -> Images:
        return self._fetch(rows)


def _tensors(images: Images) -> dict[str, Tensor]:
    return {name: torch.from_numpy(frames) for name, frames in images.items()}
