"""The limits of an arm as values, and what each of them is called."""

import enum
from dataclasses import dataclass

import numpy as np

from dp_ros.core.stamped import Array


class Limit(str, enum.Enum):
    """Which limit changed a setpoint; a keep-out box also tells its own name."""

    NOT_FINITE = 'not finite'
    STEP = 'step'
    WORKSPACE = 'workspace'
    KEEP_OUT = 'keep-out'
    TABLE = 'table'
    TCP_SPEED = 'TCP speed'
    TCP_ACCELERATION = 'TCP acceleration'
    ROTATION = 'rotation'
    JOINT_POSITION = 'joint position'
    JOINT_SPEED = 'joint speed'
    JOINT_ACCELERATION = 'joint acceleration'
    SINGULARITY = 'singularity'
    JERK = 'jerk'


@dataclass(frozen=True)
class AxisLimits:
    """Limits of the axes that are commanded: x y z [m] of the tip, or the joints [rad].

    low, high: (n,) bounds of the position; speed, acceleration and jerk: (n,) of each axis;
    total_speed: of all axes together, for a tip; step: how far one request may lie from the
    present setpoint, on any axis. A request that is missed by no more than `tolerance`, beyond
    what following smoothly costs, counts as followed.
    """

    low: Array
    high: Array
    speed: Array
    acceleration: Array
    jerk: Array
    total_speed: float = np.inf
    step: float = np.inf
    tolerance: float = 0.005

    def contains(self, position: Array, margin: float = 1e-9) -> bool:
        """Whether a position (n,) lies within the bounds."""
        inside = (position >= self.low - margin) & (position <= self.high + margin)
        return bool(inside.all())


@dataclass(frozen=True)
class KeepOut:
    """A box low..high (3,) [m], base frame, that the tip must not enter."""

    name: str
    low: Array
    high: Array

    @property
    def reason(self) -> str:
        """What it is called where limits are counted."""
        return f'{Limit.KEEP_OUT.value} {self.name}'

    def enters(self, start: Array, way: Array) -> tuple[Array, Array]:
        """Where ways (n, 3) from `start` (n, 3) enter the box: by which axis (n,), and whether.

        The sides themselves are outside.
        """
        with np.errstate(divide='ignore', invalid='ignore'):
            first, second = (self.low - start) / way, (self.high - start) / way
        # A way along a side moves on no axis that could bring it in.
        beside = (start <= self.low) | (start >= self.high)
        still = way == 0
        near = np.where(still, np.where(beside, np.inf, -np.inf), np.minimum(first, second))
        far = np.where(still, np.where(beside, -np.inf, np.inf), np.maximum(first, second))
        begin, end = near.max(axis=-1), far.min(axis=-1)
        return near.argmax(axis=-1), (begin < end) & (begin < 1) & (end > 0)


@dataclass(frozen=True)
class ToolLimits:
    """Limits of the tool centre point, in whatever space it is commanded.

    low, high: (3,) corners of the workspace [m]; table_z: height that it must not go below [m];
    speed [m/s] and acceleration [m/s^2] in total.
    """

    low: Array
    high: Array
    speed: float
    acceleration: float
    keep_out: tuple[KeepOut, ...] = ()
    table_z: float = -np.inf


@dataclass(frozen=True)
class JointLimits:
    """Limits of the joints, in whatever space they are commanded; all (n,), [rad] and seconds.

    margin: closer than this [rad] to an end of its range, a joint slows down as it approaches.
    slow_from, stop_at: manipulability [m^3], sqrt(det(J J^T)), below which the arm slows down as
    it approaches a singularity, and which it must keep.
    """

    low: Array
    high: Array
    speed: Array
    acceleration: Array
    margin: float = 0.0
    slow_from: float = 0.0
    stop_at: float = 0.0
