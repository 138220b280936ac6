"""What was seen of one episode, from topics alone, and how it is scored."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dp_ros.sim import pusht

Array = NDArray[np.float64]

REST_M = 0.003


@dataclass
class Track:
    """Rows with times: stamps [ns] and values."""

    stamps_ns: list[int] = field(default_factory=list)
    rows: list[Array] = field(default_factory=list)

    def add(self, stamp_ns: int, row: Array) -> None:
        """Append one row."""
        self.stamps_ns.append(stamp_ns)
        self.rows.append(row)

    def at(self, stamp_ns: int) -> Array | None:
        """The newest row not after `stamp_ns`; the first one before it; None if there is none."""
        if not self.rows:
            return None
        index = int(np.searchsorted(self.stamps_ns, stamp_ns, side='right')) - 1
        return self.rows[max(index, 0)]

    def array(self) -> Array:
        """All rows (n, k)."""
        return np.array(self.rows)

    def between(self, start_ns: int, end_ns: int) -> Array:
        """Rows with start <= stamp <= end, (m, k)."""
        low = int(np.searchsorted(self.stamps_ns, start_ns, side='left'))
        high = int(np.searchsorted(self.stamps_ns, end_ns, side='right'))
        return np.array(self.rows[low:high])


@dataclass
class EpisodeRecord:
    """Tracks of one episode.

    joints (6,) [rad]; block (3,) x y yaw; tip (7,) and command (7,) poses; chunks: the waypoints
    (k, 7) planned, by splice time; splices_ns: when accepted chunks took over.
    """

    seed: int
    started_ns: int = 0
    ended_ns: int = 0
    placed_ns: int | None = None
    coverage_max: float = 0.0
    coverage_last: float = 0.0
    iou_last: float = 0.0
    ending: str = ''
    joints: Track = field(default_factory=Track)
    block: Track = field(default_factory=Track)
    tip: Track = field(default_factory=Track)
    command: Track = field(default_factory=Track)
    chunks: Track = field(default_factory=Track)
    splices_ns: list[int] = field(default_factory=list)

    def score(self) -> None:
        """Bring coverage and IoU up to the newest pose of the block."""
        if self.block.rows:
            block = self.block.rows[-1]
            self.coverage_last, self.iou_last = pusht.coverage(block), pusht.iou(block)
            self.coverage_max = max(self.coverage_max, self.coverage_last)

    def rests(self, now_ns: int, seconds: float) -> bool:
        """Whether the tip has stayed within 3 mm for the last `seconds`."""
        since = now_ns - round(seconds * 1e9)
        if since < self.started_ns:
            return False
        tips = self.tip.between(since, now_ns)
        return len(tips) > 1 and bool(np.ptp(tips[:, :3], axis=0).max() < REST_M)

    @property
    def duration_s(self) -> float:
        """From arming until the T was in its place, or until the end."""
        return ((self.placed_ns or self.ended_ns) - self.started_ns) / 1e9

    def summary(self, success_iou: float) -> dict[str, Any]:
        """The episode's entry in report.json."""
        return {
            'seed': self.seed,
            'success': bool(self.iou_last >= success_iou),
            'coverage_max': round(self.coverage_max, 4),
            'coverage_last': round(self.coverage_last, 4),
            'iou_last': round(self.iou_last, 4),
            'score': round(min(self.coverage_max / 0.95, 1.0), 4),
            'duration_s': round(self.duration_s, 2),
            'ending': self.ending,
        }
