"""What an arm reports and what it is told: values, without any device.

Poses are (7,) x y z [m] and a unit quaternion x y z w, of the tool centre point in the robot's
base frame. Joints are (6,) [rad], in the order of the kinematic chain.
"""

import dataclasses
import enum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dp_ros.core import rotations

Array = NDArray[np.float64]

Space = Literal['cartesian', 'joint']


class ArmStatus(enum.Enum):
    """Whether the arm obeys commands and, if not, why."""

    RUNNING = 'running'
    PROGRAM_STOPPED = 'program stopped'
    NO_REMOTE_CONTROL = 'no remote control'
    PROTECTIVE_STOP = 'protective stop'
    SAFEGUARD_STOP = 'safeguard stop'
    NOT_OPERATIONAL = 'not operational'
    EMERGENCY_STOP = 'emergency stop'
    SAFETY_FAULT = 'safety fault'
    LINK_LOST = 'link lost'


@dataclasses.dataclass(frozen=True, eq=False)
class RobotState:
    """One reading of the arm.

    controller_time_s: the controller's own clock [s]; it only says that the reading is new.
    joint_positions, joint_velocities: (6,) [rad], [rad/s].
    tcp_pose: (7,) in the base frame.
    tcp_wrench: (6,) force [N] and torque [Nm] at the tool centre point, base frame.
    detail: more about the status, in a few words; may be ''.
    The arrays become read-only float64.
    """

    controller_time_s: float
    joint_positions: Array
    joint_velocities: Array
    tcp_pose: Array
    tcp_wrench: Array
    status: ArmStatus
    detail: str = ''

    def __post_init__(self) -> None:
        for name, size in (
            ('joint_positions', 6),
            ('joint_velocities', 6),
            ('tcp_pose', 7),
            ('tcp_wrench', 6),
        ):
            object.__setattr__(self, name, _frozen(name, getattr(self, name), size))

    @property
    def finite(self) -> bool:
        """Whether every number of it is one."""
        values = (self.joint_positions, self.joint_velocities, self.tcp_pose, self.tcp_wrench)
        return bool(np.isfinite(np.concatenate(values)).all())


@dataclasses.dataclass(frozen=True, eq=False)
class Command:
    """Where the arm shall be next.

    space 'cartesian': values is a pose (7,) in the base frame; 'joint': positions (6,) [rad].
    Raises ValueError when the length is wrong, a value is not finite or the quaternion is not of
    unit length: such a command never comes to exist.
    """

    space: Space
    values: Array

    def __post_init__(self) -> None:
        sizes = {'cartesian': 7, 'joint': 6}
        if self.space not in sizes:
            raise ValueError(f"command space is {self.space!r}; expected 'cartesian' or 'joint'")
        values = _frozen(f'{self.space} command', self.values, sizes[self.space])
        if not np.all(np.isfinite(values)):
            raise ValueError(f'{self.space} command is not finite: {values.tolist()}')
        if self.space == 'cartesian' and not rotations.is_unit(values[3:]):
            norm = float(np.linalg.norm(values[3:]))
            raise ValueError(f'quaternion of the command has length {norm:.6g}; expected 1')
        object.__setattr__(self, 'values', values)


def _frozen(name: str, values: object, size: int) -> Array:
    array = np.array(values, dtype=np.float64)
    if array.shape != (size,):
        raise ValueError(f'{name} has shape {array.shape}; expected ({size},)')
    array.setflags(write=False)
    return array
