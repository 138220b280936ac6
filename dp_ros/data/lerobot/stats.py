"""Statistics of features as LeRobotDataset keeps them, for an episode and for the whole set."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stats:
    """min, max, mean and (population) std of each column, over `count` rows.

    Of images: of each channel, shape (3, 1, 1), with pixels from 0 to 1; count is of frames.
    """

    min: Array
    max: Array
    mean: Array
    std: Array
    count: int

    @classmethod
    def of_rows(cls, rows: NDArray[Any]) -> 'Stats':
        """Rows (L, ...) of numbers; of plain numbers (L,) the one column."""
        values = rows.reshape(len(rows), 1) if rows.ndim == 1 else rows
        values = values.astype(np.float64)
        return cls(values.min(0), values.max(0), values.mean(0), values.std(0), len(values))

    @classmethod
    def of_frames(cls, frames: NDArray[np.uint8]) -> 'Stats':
        """Frames (L, H, W, 3), exactly: counted, not sampled."""
        levels = np.arange(256) / 255
        pixels = frames.reshape(-1, 3)
        columns = []
        for channel in pixels.T:
            share = np.bincount(channel, minlength=256) / len(pixels)
            mean = share @ levels
            seen = levels[share > 0]
            columns.append((seen[0], seen[-1], mean, np.sqrt(share @ (levels - mean) ** 2)))
        lowest, highest, means, deviations = np.array(columns).T.reshape(4, 3, 1, 1)
        return cls(lowest, highest, means, deviations, len(frames))

    def __or__(self, other: 'Stats') -> 'Stats':
        """Of the rows of both."""
        count = self.count + other.count
        mine, theirs = self.count / count, other.count / count
        mean = mine * self.mean + theirs * other.mean
        variance = mine * (self.std**2 + (self.mean - mean) ** 2)
        variance = variance + theirs * (other.std**2 + (other.mean - mean) ** 2)
        return Stats(
            np.minimum(self.min, other.min),
            np.maximum(self.max, other.max),
            mean,
            np.sqrt(variance),
            count,
        )

    def plain(self) -> dict[str, list[Any]]:
        """As lists, for JSON and parquet."""
        found = {name: getattr(self, name).tolist() for name in ('min', 'max', 'mean', 'std')}
        return {**found, 'count': [self.count]}
