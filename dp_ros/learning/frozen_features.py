"""Image features of a whole data set, where encoders do not learn: each frame encoded once."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dp_ros.data.windows import Windows
from dp_ros.learning.looks import augmented
from dp_ros.learning.reading import FramesAt, read
from dp_ros.learning.vision import VisionEncoder

_BATCH = 128


class FrozenFeatures:
    """Image features of windows, read from a table: for each frame one view of it, or several."""

    def __init__(self, table: Tensor, index: Tensor) -> None:
        self._table, self._index = table, index  # (views, frames, V), (N, T_o) into it

    def __call__(self, rows: Tensor, looks: Tensor | None = None) -> Tensor:
        """Windows (B,) -> (B, T_o, V): the frames as they are, or the view that `looks` draws."""
        device = self._table.device
        frames = self._index[rows.to(device)]
        if looks is None:
            return self._table[0, frames]
        return self._table[looks.to(device)[:, None] % len(self._table), frames]


def is_frozen(vision: VisionEncoder) -> bool:
    """Whether nothing in `vision` learns."""
    return not any(p.requires_grad for p in vision.parameters())


@torch.no_grad()
def encode_all(
    vision: VisionEncoder,
    windows: Windows,
    device: str,
    workers: int,
    views: int = 1,
    report: Callable[[int, int], None] | None = None,
) -> FrozenFeatures:
    """Encode every frame that a window holds; report(frames done, of how many).

    The first view is the centre of the frame; the others are augmented.
    """
    frames, index = np.unique(windows.steps, return_inverse=True)
    portions = [part.tolist() for part in torch.arange(len(frames)).split(_BATCH)]
    table = torch.empty(views, len(frames), vision.dim, device=device)
    done = 0
    vision.eval()
    for images in read(FramesAt(windows.frames, frames), portions, device, workers):
        steps = {name: of_camera[:, None] for name, of_camera in images.items()}
        count = len(next(iter(steps.values())))
        share = slice(done, done + count)
        table[0, share] = vision(steps)[:, 0]
        for view in range(1, views):
            looks = torch.arange(done, done + count) * views + view
            table[view, share] = augmented(vision, steps, looks)[:, 0]
        done += count
        if report is not None:
            report(done, len(frames))
    return FrozenFeatures(table, torch.from_numpy(index.reshape(windows.steps.shape)).to(device))
