"""From waypoints to a setpoint at any time: linear in position, along the shorter arc in rotation."""

import numpy as np
from numpy.typing import NDArray

from dp_ros.core import rotations

Array = NDArray[np.float64]

POSE_SIZE = 7


def interpolate(start: Array, end: Array, fraction: float, pose: bool) -> Array:
    """The value at `fraction` in [0, 1] between two waypoints.

    start, end: poses (7,) x y z qx qy qz qw if `pose`, else any vectors (n,), such as joints [rad].
    """
    if not pose:
        return start + fraction * (end - start)
    position = start[:3] + fraction * (end[:3] - start[:3])
    rotation = rotations.slerp(start[3:], end[3:], fraction)
    return np.concatenate([position, rotation])


def sample(stamps_ns: Array, values: Array, times_ns: Array, pose: bool) -> Array:
    """Values (m, n) at `times_ns` (m,) of a series (k, n) at rising `stamps_ns` (k,).

    Outside the series the nearest end is held. The result is the same to the bit as
    `interpolate` between the two neighbours.
    """
    rows = []
    for time in times_ns:
        after = int(np.searchsorted(stamps_ns, time, side='left'))
        if after == 0:
            rows.append(values[0])
        elif after == len(stamps_ns):
            rows.append(values[-1])
        else:
            before = after - 1
            span = float(stamps_ns[after] - stamps_ns[before])
            fraction = float(time - stamps_ns[before]) / span
            rows.append(interpolate(values[before], values[after], fraction, pose))
    return np.stack(rows)
