"""What the executor has committed itself to, by absolute time: read from it, never guessed."""

import bisect
from dataclasses import dataclass

import numpy as np

from dp_ros.core.stamped import ActionChunk, Array, frozen_array

KEPT_NS = 2_000_000_000


@dataclass(frozen=True)
class Commitment:
    """Accepted waypoints, those of the last two seconds and those still to come."""

    stamps_ns: tuple[int, ...] = ()
    waypoints: Array | None = None

    @property
    def end_ns(self) -> int | None:
        """When the last waypoint is due; None where nothing was accepted yet."""
        return self.stamps_ns[-1] if self.stamps_ns else None

    def updated(self, ahead: ActionChunk) -> 'Commitment':
        """After the executor has published what it has still to play: `ahead`, (k, n)."""
        first = bisect.bisect_left(self.stamps_ns, ahead.splice_ns - KEPT_NS)
        last = bisect.bisect_left(self.stamps_ns, ahead.splice_ns)
        passed: list[Array] = [] if self.waypoints is None else [*self.waypoints[first:last]]
        stamps = (*self.stamps_ns[first:last], *ahead.stamps_ns)
        return Commitment(stamps, frozen_array([*passed, *ahead.waypoints]))

    def at(self, stamps_ns: tuple[int, ...]) -> Array | None:
        """Waypoints (k, n) at just these times, rows of NaN where there is none; None if all."""
        known = {stamp: i for i, stamp in enumerate(self.stamps_ns)}
        if self.waypoints is None or not known.keys() & set(stamps_ns):
            return None
        found = np.full((len(stamps_ns), self.waypoints.shape[1]), np.nan)
        for row, stamp in enumerate(stamps_ns):
            if stamp in known:
                found[row] = self.waypoints[known[stamp]]
        return found
