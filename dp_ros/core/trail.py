"""Where the arm was in the last moments, and the slow way back along it after a stop."""

from dataclasses import dataclass, replace

import numpy as np

from dp_ros.core import rotations
from dp_ros.core.stamped import ActionChunk, Array, frozen_array

# A point closer than this [m or rad] to the one before is no step of its own.
SMALLEST_STEP = 1e-4
# How long the last waypoint stays due, so that an arm that lags behind arrives.
DWELL_NS = 500_000_000
_FIRST_NS = 20_000_000


@dataclass(frozen=True)
class Trail:
    """Measured poses (7,) or joints (n,), oldest first, over the last `span_ns`.

    The oldest is the last safe pose: the arm was there, under command, that long before the stop.
    """

    span_ns: int = 500_000_000
    spacing_ns: int = 50_000_000
    stamps_ns: tuple[int, ...] = ()
    points: tuple[Array, ...] = ()

    def seen(self, now_ns: int, point: Array) -> 'Trail':
        """With where the arm is now; unchanged if it looked lately, or cannot tell.

        Where time was set back, what was seen before has no place in it any more.
        """
        if self.stamps_ns and now_ns < self.stamps_ns[-1]:
            return replace(self, stamps_ns=(), points=()).seen(now_ns, point)
        if self.stamps_ns and now_ns - self.stamps_ns[-1] < self.spacing_ns:
            return self
        if not np.isfinite(point).all():
            return self
        # One point may be older than the span: the newest that is.
        old = sum(stamp <= now_ns - self.span_ns for stamp in self.stamps_ns)
        keep = max(0, old - 1)
        return replace(
            self,
            stamps_ns=(*self.stamps_ns[keep:], now_ns),
            points=(*self.points[keep:], frozen_array(point)),
        )

    def way_back(
        self, standing: Array, now_ns: int, speed: float, angular_speed: float
    ) -> ActionChunk | None:
        """From `standing` to the last safe pose along the trail; None if there is no way to go.

        It joins the trail where that is nearest, never further ahead. speed: of the tool centre
        point [m/s]; angular_speed: of its rotation, or of each joint [rad/s].
        """
        if not self.points:
            return None
        nearest = int(np.argmin([_way(standing, p, 1.0, 1.0) for p in self.points]))
        stamps, way = [now_ns + _FIRST_NS], [standing]
        for point in reversed(self.points[: nearest + 1]):
            if np.abs(point - way[-1]).max() > SMALLEST_STEP:
                seconds = _way(way[-1], point, speed, angular_speed)
                stamps.append(stamps[-1] + max(1, round(seconds * 1e9)))
                way.append(point)
        if len(way) == 1:
            return None
        return ActionChunk((*stamps, stamps[-1] + DWELL_NS), np.array([*way, way[-1]]))


def _way(start: Array, end: Array, speed: float, angular_speed: float) -> float:
    """Seconds from one pose or posture to another."""
    if len(start) != 7:
        return float(np.abs(end - start).max()) / angular_speed
    turn = rotations.rotation_vector_from_quaternion(
        rotations.quaternion_multiply(rotations.quaternion_inverse(start[3:]), end[3:])
    )
    length = float(np.linalg.norm(end[:3] - start[:3]))
    return max(length / speed, float(np.linalg.norm(turn)) / angular_speed)
