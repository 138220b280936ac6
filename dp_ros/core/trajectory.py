"""From waypoints to a setpoint at any time: linear in position, the shorter arc in rotation."""

import bisect
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dp_ros.core import rotations

Array = NDArray[np.float64]
Stamps = NDArray[np.int64]

POSE_SIZE = 7


def interpolate(start: Array, end: Array, fraction: float, pose: bool) -> Array:
    """The value at `fraction` in [0, 1] between two waypoints.

    start, end: poses (7,) x y z qx qy qz qw if `pose`, else any vectors (n,), as joints [rad].
    """
    if not pose:
        return start + fraction * (end - start)
    position = start[:3] + fraction * (end[:3] - start[:3])
    rotation = start[3:]
    if (rotation != end[3:]).any():
        rotation = rotations.slerp(rotation, end[3:], fraction)
    return np.concatenate([position, rotation])


def value_at(stamps_ns: Sequence[int], values: Array, time_ns: int, pose: bool) -> Array:
    """Value (n,) at `time_ns` of a series (k, n) at rising `stamps_ns` (k,).

    Outside the series the nearest end is held. At a stamp the value is the one given there,
    between two stamps `interpolate` of these neighbours: both to the bit, whatever else is held.
    """
    after = bisect.bisect_left(stamps_ns, time_ns)
    if after == 0:
        return values[0]
    if after == len(stamps_ns):
        return values[-1]
    if stamps_ns[after] == time_ns:
        return values[after]
    begin, end = stamps_ns[after - 1], stamps_ns[after]
    fraction = (time_ns - begin) / (end - begin)
    return interpolate(values[after - 1], values[after], fraction, pose)


def sample(stamps_ns: Stamps, values: Array, times_ns: Stamps, pose: bool) -> Array:
    """Values (m, n) at `times_ns` (m,) of a series; each as `value_at`."""
    stamps = stamps_ns.tolist()
    return np.stack([value_at(stamps, values, time, pose) for time in times_ns.tolist()])
