"""The schedule of committed actions: what is due now, and how the next chunk takes over.

Waypoints carry absolute times. A chunk replaces everything from its splice on; before the splice
what was committed stays. A chunk that comes after its own splice is refused whole, since the
robot it planned for no longer exists; so is one that begins absurdly far ahead.
"""

import bisect
import enum
from dataclasses import dataclass, replace

import numpy as np

from dp_ros.core import rotations, trajectory
from dp_ros.core.stamped import ActionChunk, Array, frozen_array


class Verdict(enum.Enum):
    """What became of a chunk."""

    ACCEPTED = 'accepted'
    LATE = 'refused: it came after its own splice'
    TOO_FAR_AHEAD = 'refused: it begins too far ahead'
    NOT_FINITE = 'refused: it holds NaN or infinite numbers'
    WRONG_SIZE = 'refused: its waypoints have the wrong length'
    NOT_A_ROTATION = 'refused: it holds a quaternion that is not of unit length'
    NOT_ARMED = 'refused: the policy does not command the arm'
    OLD_EPOCH = 'refused: it was planned before the arm was armed'
    FAR_FROM_ARM = 'refused: its first waypoint lies too far from the arm'
    LEAP = 'refused: it leaps further than any arm can follow'


@dataclass(frozen=True)
class Schedule:
    """Committed waypoints; every update returns a new schedule.

    pose: whether waypoints are poses (7,), else joint positions (width,). The first waypoint may
    lie in the past: it is where the interpolation to the next one starts.
    """

    pose: bool
    width: int
    horizon_ns: int = 2_000_000_000
    stamps_ns: tuple[int, ...] = ()
    waypoints: Array | None = None
    splice_ns: int | None = None

    def started(self, now_ns: int, waypoint: Array) -> 'Schedule':
        """A fresh schedule that stands at `waypoint` now: all that is older is gone."""
        values = frozen_array(np.asarray(waypoint)[None])
        return replace(self, stamps_ns=(now_ns,), waypoints=values, splice_ns=None)

    def accept(self, chunk: ActionChunk, now_ns: int) -> tuple['Schedule', Verdict]:
        """The schedule after `chunk`, and what became of it."""
        if chunk.waypoints.ndim != 2 or chunk.waypoints.shape[1] != self.width:
            return self, Verdict.WRONG_SIZE
        if not np.isfinite(chunk.waypoints).all():
            return self, Verdict.NOT_FINITE
        if self.pose and not rotations.are_units(chunk.waypoints[:, 3:]):
            return self, Verdict.NOT_A_ROTATION
        if chunk.splice_ns < now_ns:
            return self, Verdict.LATE
        if chunk.splice_ns > now_ns + self.horizon_ns:
            return self, Verdict.TOO_FAR_AHEAD
        keep = bisect.bisect_left(self.stamps_ns, chunk.splice_ns)
        committed = [] if self.waypoints is None else [*self.waypoints[:keep]]
        stamps = self.stamps_ns[:keep]
        if stamps and stamps[-1] < now_ns < chunk.splice_ns:
            # The arm is on its way to a waypoint that is replaced: it goes on from where it is.
            here = self.due(now_ns)
            if here is not None:
                committed, stamps = [*committed, here], (*stamps, now_ns)
        accepted = replace(
            self,
            stamps_ns=(*stamps, *chunk.stamps_ns),
            waypoints=frozen_array([*committed, *chunk.waypoints]),
            splice_ns=chunk.splice_ns,
        )
        return accepted.trimmed(now_ns), Verdict.ACCEPTED

    def due(self, now_ns: int) -> Array | None:
        """The setpoint at `now_ns`, interpolated between waypoints; None outside the schedule."""
        return self.near(now_ns) if self.covers(now_ns) else None

    def covers(self, time_ns: int) -> bool:
        """Whether something is due at a time."""
        return bool(self.stamps_ns) and self.stamps_ns[0] <= time_ns <= self.stamps_ns[-1]

    def near(self, time_ns: int) -> Array:
        """The setpoint at `time_ns`; outside the schedule the nearest end of it."""
        assert self.waypoints is not None, 'nothing was ever committed'
        return trajectory.value_at(self.stamps_ns, self.waypoints, time_ns, self.pose)

    def ahead(self, now_ns: int) -> ActionChunk | None:
        """The waypoints still to come, as a chunk; None when there is none."""
        keep = bisect.bisect_right(self.stamps_ns, now_ns)
        if self.waypoints is None or keep == len(self.stamps_ns):
            return None
        return ActionChunk(self.stamps_ns[keep:], self.waypoints[keep:])

    def trimmed(self, now_ns: int) -> 'Schedule':
        """Without the past, save the waypoint that the present one is interpolated from."""
        keep = max(bisect.bisect_right(self.stamps_ns, now_ns) - 1, 0)
        if keep == 0 or self.waypoints is None:
            return self
        return replace(
            self, stamps_ns=self.stamps_ns[keep:], waypoints=frozen_array(self.waypoints[keep:])
        )
