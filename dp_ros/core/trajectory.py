"""From waypoints to a setpoint at any time: linear in position, the shorter arc in rotation."""

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
    rotation = rotations.slerp(start[3:], end[3:], fraction)
    return np.concatenate([position, rotation])


def sample(stamps_ns: Stamps, values: Array, times_ns: Stamps, pose: bool) -> Array:
    """Values (m, n) at `times_ns` (m,) of a series (k, n) at rising `stamps_ns` (k,).

    Outside the series the nearest end is held. At a stamp the value is the one given there,
    between two stamps `interpolate` of these neighbours: both to the bit, whatever else is held.
    """
    rows = []
    for time in times_ns:
        after = int(np.searchsorted(stamps_ns, time, side='left'))
        if after == 0:
            rows.append(values[0])
        elif after == len(stamps_ns):
            rows.append(values[-1])
        elif stamps_ns[after] == time:
            rows.append(values[after])
        else:
            before = after - 1
            span = float(stamps_ns[after] - stamps_ns[before])
            fraction = float(time - stamps_ns[before]) / span
            rows.append(interpolate(values[before], values[after], fraction, pose))
    return np.stack(rows)
