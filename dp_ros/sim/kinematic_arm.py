"""A UR5e without masses: its joints follow what they are told as a servo does, and reach it."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dp_ros.hardware.ur_kinematics import JOINT_SPEED_LIMIT_RAD_S, UR5eKinematics
from dp_ros.sim.cell_model import TCP_OFFSET_M

Array = NDArray[np.float64]

STEP_S = 0.1
LAG_S = 0.1
"""A first-order filter, as servoL and servoJ with that lookahead (sim/environment.py)."""

KINEMATICS = UR5eKinematics((0.0, 0.0, TCP_OFFSET_M, 0.0, 0.0, 0.0))
TOOL_DOWN = (np.pi * 0.5**0.5, -np.pi * 0.5**0.5, 0.0)
"""Its orientation, rotation vector, base frame."""
READY_JOINTS = (0.29, -1.81, -2.24, -0.66, 1.57, 0.29)
"""Over the middle of the table, tool down; the branch that inverse kinematics follows."""

_ITERATIONS = 30


class KinematicArm:
    """joints: (6,) [rad], where they are."""

    def __init__(self, joints: Array) -> None:
        self.joints = self._told = np.array(joints, dtype=float)

    def step(self, target: Array) -> None:
        """A policy step, in which the command goes evenly to `target` (6,)."""
        most = JOINT_SPEED_LIMIT_RAD_S * STEP_S
        told = self._told + np.clip(target - self._told, -most, most)
        behind = (told - self._told) * LAG_S / STEP_S  # a filter's lag behind a ramp
        left = (self.joints - self._told + behind) * np.exp(-STEP_S / LAG_S)
        self.joints, self._told = told - behind + left, told

    def servo(self, setpoint: Array, seconds: float) -> None:
        """One control period, in which the command stays at `setpoint` (6,)."""
        gain = 1 - np.exp(-seconds / LAG_S)
        self.joints, self._told = self.joints + gain * (setpoint - self.joints), setpoint

    @property
    def pose(self) -> tuple[float, ...]:
        """Tool centre point (6,): x y z [m], rotation vector, in the arm's base frame."""
        return KINEMATICS.forward(self.joints.tolist())

    @property
    def tip(self) -> Array:
        """Its position (3,) [m]."""
        return np.array(self.pose[:3])


def joints_along(poses: Array, near: Sequence[float] = READY_JOINTS) -> Array:
    """Joints (n, 6) that lead the tool along poses (n, 6), from those close to `near` on.

    Raises ValueError for a pose that is out of reach.
    """
    found = []
    for pose in poses.tolist():
        joints = KINEMATICS.inverse(pose, near, _ITERATIONS)
        if joints is None:
            raise ValueError(f'the arm cannot reach the pose {np.round(pose, 3).tolist()}')
        found.append(joints)
        near = joints
    return np.array(found)


def wavering(rng: np.random.Generator, steps: int, size: float) -> Array:
    """Smooth noise (steps, 6) [rad] of that standard deviation, on commands that are executed.

    The demonstrated actions are those without it: they lead back, so what is learned from them
    does as well (Laskey et al. 2017, "DART").
    """
    kept = 0.8
    waves = rng.normal(size=(steps, 6)) * size * np.sqrt(1 - kept**2)
    for before, now in pairwise(waves):
        now += kept * before
    return waves


def eased(steps: int) -> Array:
    """Shares (steps,) of a way from rest to rest with the least jerk; the last is 1."""
    s = np.arange(1, steps + 1) / steps
    return s**3 * (10 - 15 * s + 6 * s**2)
