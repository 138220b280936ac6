"""What lies ahead of the arm, setpoint by setpoint, and the first limit that it would break.

Everything is judged by differences of the setpoints that would be sent, as whoever reads the
stream would judge them.
"""

from dataclasses import dataclass

import numpy as np

from dp_ros.core import rotations
from dp_ros.core.limits import JointLimits, Limit, ToolLimits
from dp_ros.core.profile import State
from dp_ros.core.stamped import Array

# What rounding can do to differences of positions [m or rad], per s and per s^2.
SPEED_ROUNDING = 1e-9
ACCELERATION_ROUNDING = 1e-6
PLACE_ROUNDING = 1e-9


@dataclass(frozen=True)
class Path:
    """Setpoints (m, 7 or n), one control period apart; from the first on, a way to rest.

    state: rows (m, k) of the axes that moved, as planned; anchor (4,): what the rotation vectors
    of these axes start from, None if the rotation rests; tips (m, 3), joints (m, n) and agility,
    the manipulability (m,): None where no kinematics tells them.
    """

    setpoints: Array
    state: State
    anchor: Array | None = None
    tips: Array | None = None
    joints: Array | None = None
    agility: Array | None = None

    def row(self, index: int) -> 'Path':
        """One setpoint of it."""
        place = slice(index, index + 1)
        state = self.state
        return Path(
            self.setpoints[place],
            State(state.position[place], state.velocity[place], state.acceleration[place]),
            self.anchor,
            None if self.tips is None else self.tips[place],
            None if self.joints is None else self.joints[place],
            None if self.agility is None else self.agility[place],
        )


def misplaced(path: Path, tool: ToolLimits, joint: JointLimits) -> str:
    """The limit that a place of the path breaks, whether it moves there or stands; else ''."""
    if path.tips is not None:
        if (path.tips[:, 2] < tool.table_z - PLACE_ROUNDING).any():
            return Limit.TABLE.value
        low, high = tool.low - PLACE_ROUNDING, tool.high + PLACE_ROUNDING
        if ((path.tips < low) | (path.tips > high)).any():
            return Limit.WORKSPACE.value
        for box in tool.keep_out:
            if ((path.tips > box.low) & (path.tips < box.high)).all(axis=-1).any():
                return box.reason
    if path.joints is not None:
        low, high = joint.low - PLACE_ROUNDING, joint.high + PLACE_ROUNDING
        if ((path.joints < low) | (path.joints > high)).any():
            return Limit.JOINT_POSITION.value
    if path.agility is not None and (path.agility < joint.stop_at).any():
        return Limit.SINGULARITY.value
    return ''


def moved_too_fast(
    before: Path, now: Path, ahead: Path, tool: ToolLimits, joint: JointLimits, dt: float
) -> str:
    """The limit of motion that `ahead` breaks, coming from the two setpoints before; else ''."""
    if ahead.tips is not None and before.tips is not None and now.tips is not None:
        line = np.concatenate([before.tips, now.tips, ahead.tips, ahead.tips[-1:]])
        velocity = np.diff(line, axis=0) / dt
        if _longest(velocity[1:]) > tool.speed + SPEED_ROUNDING:
            return Limit.TCP_SPEED.value
        change = np.diff(velocity, axis=0) / dt
        if _longest(change) > tool.acceleration + ACCELERATION_ROUNDING:
            return Limit.TCP_ACCELERATION.value
        for box in tool.keep_out:
            if box.enters(line[1:-2], velocity[1:-1] * dt)[1].any():
                return box.reason
    if ahead.joints is not None and before.joints is not None and now.joints is not None:
        line = np.concatenate([before.joints, now.joints, ahead.joints, ahead.joints[-1:]])
        velocity = np.diff(line, axis=0) / dt
        if (np.abs(velocity[1:]).max(axis=0) > joint.speed + SPEED_ROUNDING).any():
            return Limit.JOINT_SPEED.value
        change = np.abs(np.diff(velocity, axis=0)).max(axis=0) / dt
        if (change > joint.acceleration + ACCELERATION_ROUNDING).any():
            return Limit.JOINT_ACCELERATION.value
    return ''


def turned_too_fast(
    before: Path, now: Path, ahead: Path, speed: float, acceleration: float, dt: float
) -> bool:
    """Whether poses (m, 7) ahead break a limit of the angular speed or acceleration."""
    poses = (before.setpoints, now.setpoints, ahead.setpoints, ahead.setpoints[-1:])
    line = np.concatenate(poses)[:, 3:]
    turns = rotations.rotation_vector_from_quaternion(
        rotations.quaternion_multiply(line[1:], rotations.quaternion_inverse(line[:-1]))
    )
    velocity = turns / dt
    change = np.diff(velocity, axis=0) / dt
    return bool(
        _longest(velocity[1:]) > speed + SPEED_ROUNDING
        or _longest(change) > acceleration + ACCELERATION_ROUNDING
    )


def _longest(vectors: Array) -> float:
    """Largest length of vectors (m, 3)."""
    return float(np.sqrt(np.square(vectors).sum(axis=-1)).max())
