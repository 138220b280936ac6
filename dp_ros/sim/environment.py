"""Push-T in the cell without a clock or ROS: where demonstrations and evaluation roll.

The command path is that of the real stream: waypoints of the policy are interpolated at 125 Hz,
pass inverse kinematics, and a first-order filter at 500 Hz stands for the controller's servoL with
that lookahead, as in ur_motion.servo.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dp_ros.sim import pusht
from dp_ros.sim.cell import Cell, tool_down_joints
from dp_ros.sim.cell_model import TIMESTEP_S

STEP_S = 0.1
TICKS_PER_STEP = round(STEP_S / TIMESTEP_S)
TICKS_PER_SETPOINT = 4
"""125 Hz: a setpoint every 8 ms."""

LOOKAHEAD_S = 0.1


@dataclass(frozen=True)
class Snapshot:
    """A moment of an episode: physics, servo and the stream's last command.

    physics: Cell.state. joints: the servo's smoothed setpoint (6,). target: the newest setpoint
    before smoothing (6,). command: last waypoint (2,). tick: 2 ms steps since reset.
    """

    physics: np.ndarray
    joints: np.ndarray
    target: np.ndarray
    command: np.ndarray
    tick: int


class PushTCell:
    """reset, then step with absolute waypoints at 10 Hz.

    Observation, shape (5,): tcp x, tcp y, block x, block y (m), block yaw (rad), base frame.
    """

    rate_hz = 1 / STEP_S
    max_steps = 600
    images: Mapping[str, NDArray[np.uint8]] = MappingProxyType({})

    def __init__(self) -> None:
        self.cell = Cell()
        self._gain = 1 - np.exp(-TIMESTEP_S / LOOKAHEAD_S)
        self.reset(0)

    def reset(self, seed: int) -> np.ndarray:
        """Start from the task's start distribution; equal seeds give equal episodes."""
        return self.reset_to(pusht.sample_start(np.random.default_rng(seed)))

    def reset_to(self, start: pusht.Start) -> np.ndarray:
        """Start from `start`, everything at rest."""
        self.cell.reset(start)
        self._joints = self._target = self.cell.joint_positions
        self._command = np.array(start.tip)
        self._tick = 0
        return self.observation

    def step(self, action: np.ndarray) -> np.ndarray:
        """Move the command to the waypoint `action` (2,), metres, over 0.1 s of simulation.

        The command is clipped to the workspace square; the tip follows 120 to 150 ms behind it.
        """
        before, after = self._command, np.clip(action, pusht.SQUARE_LOW, pusht.SQUARE_HIGH)
        for i in range(TICKS_PER_STEP):
            due = self._tick % TICKS_PER_SETPOINT == 0
            self.servo(before + (after - before) * (i / TICKS_PER_STEP) if due else None)
        self._command = after
        return self.observation

    def servo(self, setpoint: np.ndarray | None) -> None:
        """2 ms of the servo and the world. setpoint: where the tip shall go (2,), None: as before.

        Raises ValueError for one that the arm cannot reach.
        """
        if setpoint is not None:
            self._target = tool_down_joints(setpoint, self._target)
        self._joints = self._joints + self._gain * (self._target - self._joints)
        self.cell.advance(self._joints, TIMESTEP_S)
        self._tick += 1

    @property
    def observation(self) -> np.ndarray:
        """What reset and step return, of this moment."""
        return np.concatenate([self.cell.tcp_pose[:2], self.cell.block_pose])

    @property
    def coverage(self) -> float:
        """Part of the goal that the T covers now."""
        return pusht.coverage(self.cell.block_pose)

    @property
    def done(self) -> bool:
        """Whether the goal is covered as gym-pusht asks."""
        return self.coverage > pusht.SUCCESS_COVERAGE

    @property
    def iou(self) -> float:
        """Intersection over union of T and goal now."""
        return pusht.iou(self.cell.block_pose)

    @property
    def snapshot(self) -> Snapshot:
        """This moment; assign it (to any PushTCell) to continue from it."""
        return Snapshot(self.cell.state, self._joints, self._target, self._command, self._tick)

    @snapshot.setter
    def snapshot(self, value: Snapshot) -> None:
        self.cell.state = value.physics
        self._joints, self._target = value.joints, value.target
        self._command, self._tick = value.command, value.tick
