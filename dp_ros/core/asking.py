"""What may be asked of the arm: requests are brought inside the limits before anything is planned.

So that the arm comes to rest at the edge on a plan of its own, and glides along it where the
request does. Whether the way there keeps the limits is another question (core/outlook.py).
"""

import numpy as np

from dp_ros.core import rotations
from dp_ros.core.limits import AxisLimits, KeepOut, Limit, ToolLimits
from dp_ros.core.stamped import Array
from dp_ros.core.trajectory import POSE_SIZE

# How far from a keep-out box a request that leads into it is kept [m].
CLEARANCE = 1e-4
# And one outside the bounds inside them [m or rad]: a plan meets its target to ten digits only.
EDGE = 1e-7


def sound(request: Array, pose: bool) -> bool:
    """Whether a request (7,) or (n,) is finite, and its quaternion one."""
    if not np.isfinite(request).all():
        return False
    return not pose or rotations.is_unit(request[3:POSE_SIZE])


def inside(
    position: Array, target: Array, axes: AxisLimits, tool: ToolLimits | None
) -> tuple[Array, set[str]]:
    """A target (n,) brought inside the bounds, and the limits that changed it.

    position (n,): where the axes are; tool: None if they are joints.
    """
    reasons = set()
    low, high = axes.low, axes.high
    outside = (target < low) | (target > high)
    if tool is None:
        if outside.any():
            reasons.add(Limit.JOINT_POSITION.value)
    else:
        if target[2] < tool.table_z and tool.table_z >= low[2]:
            reasons.add(Limit.TABLE.value)
            outside[2] = False
        if outside.any():
            reasons.add(Limit.WORKSPACE.value)
        low = np.maximum(low, [low[0], low[1], tool.table_z])
    # What stands at the very edge stays there.
    low, high = np.minimum(low + EDGE, position), np.maximum(high - EDGE, position)
    return np.clip(target, low, high), reasons


def around(position: Array, target: Array, boxes: tuple[KeepOut, ...]) -> tuple[Array, set[str]]:
    """A target (3,) that the straight way from `position` (3,) reaches without entering a box.

    Of a target beyond a box what is left is its part along the side that the way would enter.
    """
    reasons = set()
    for box in boxes:
        axes, enters = box.enters(position[None], (target - position)[None])
        if enters[0]:
            axis = int(axes[0])
            below = position[axis] <= box.low[axis]
            target = target.copy()
            target[axis] = box.low[axis] - CLEARANCE if below else box.high[axis] + CLEARANCE
            reasons.add(box.reason)
    return target, reasons


def drift(asked: tuple[Array, ...], dt: float) -> Array:
    """Speed (n,) at which the last targets (n,) move on, oldest first; 0 where they jump or rest.

    The smaller of the last two differences, so that a single jump is no speed.
    """
    if len(asked) < 3:
        return np.zeros_like(asked[-1])
    first, second = asked[1] - asked[0], asked[2] - asked[1]
    smaller = np.where(np.abs(first) < np.abs(second), first, second)
    speed: Array = np.where(first * second > 0, smaller, 0.0) / dt
    return speed
