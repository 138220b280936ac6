"""Teleoperation as a schedule: a twist extends what is committed by the short time it holds for.

The motion is then the schedule's, and under the same limits as a policy's: when twists cease, the
schedule runs out and the arm brakes.
"""

import numpy as np

from dp_ros.core import rotations
from dp_ros.core.chunk import Schedule
from dp_ros.core.safety import Motion, SafetyLimits
from dp_ros.core.stamped import ActionChunk, Array


def extended(
    schedule: Schedule,
    motion: Motion,
    twist: Array,
    limits: SafetyLimits,
    now_ns: int,
    span_ns: int,
) -> Schedule:
    """The schedule that moves on from where it is now by `twist` (6,) for `span_ns`.

    twist: linear [m/s], angular [rad/s], of the tool centre point in the base frame. Where limits
    keep the arm behind the schedule, as at the edge of the workspace, it does not run ahead.
    """
    span_s = span_ns / 1e9
    due = schedule.due(now_ns)
    start = _near(motion.setpoint if due is None else due, motion, limits, span_s)
    turn = rotations.quaternion_from_rotation_vector(twist[3:] * span_s)
    rotation = rotations.quaternion_multiply(turn, start[3:]) if twist[3:].any() else start[3:]
    position = np.clip(start[:3] + twist[:3] * span_s, limits.axes.low, limits.axes.high)
    end = np.concatenate([position, rotation / np.linalg.norm(rotation)])
    later, _ = schedule.started(now_ns, start).accept(
        ActionChunk((now_ns + span_ns,), end[None]), now_ns
    )
    return later


def _near(pose: Array, motion: Motion, limits: SafetyLimits, span_s: float) -> Array:
    """`pose`, no further from the setpoint than the lag of an arm that follows at full speed."""
    axes = limits.axes
    reach = axes.total_speed**2 / (2 * float(axes.acceleration.min())) + axes.total_speed * span_s
    offset = pose[:3] - motion.setpoint[:3]
    distance = float(np.linalg.norm(offset))
    position = motion.setpoint[:3] + offset * min(1.0, reach / max(distance, 1e-12))
    speed = limits.angular_speed
    angular_reach = speed**2 / (2 * limits.angular_acceleration) + speed * span_s
    inverse = rotations.quaternion_inverse(motion.setpoint[3:])
    error = rotations.rotation_vector_from_quaternion(
        rotations.quaternion_multiply(inverse, pose[3:])
    )
    close = float(np.linalg.norm(error)) <= angular_reach
    return np.concatenate([position, pose[3:] if close else motion.setpoint[3:]])
