"""An arm that is told what it does: for replays, where a recorded one moves and ours must not."""

from dataclasses import replace

import numpy as np

from dp_ros.core.robot import ArmStatus, Command, RobotState
from dp_ros.core.stamped import Array
from dp_ros.hardware.arm import ArmError


class DryArm:
    """Reports the joints and the pose that it was last shown; commands go nowhere."""

    def __init__(self) -> None:
        self._joints: Array | None = None
        self._pose: Array | None = None
        self._state: RobotState | None = None

    def show_joints(self, positions: Array) -> None:
        """Joint positions (6,) [rad] of the recorded arm."""
        self._joints = positions

    def show_pose(self, pose: Array) -> None:
        """Pose (7,) of the tool centre point of the recorded arm, base frame."""
        self._pose = pose

    def connect(self, unlock_stop: bool = False) -> None:
        """Raises ArmError until the recorded arm has been seen."""
        joints, pose = self._joints, self._pose
        if joints is None or pose is None:
            raise ArmError(
                'dry run: no recorded state has come yet; it takes the joint states and the pose '
                'of the tool centre point from a bag that is being played'
            )
        still = np.zeros(6)
        self._state = RobotState(0.0, joints, still, pose, still, ArmStatus.RUNNING)

    def read(self) -> RobotState:
        state = self._state
        if state is None or self._joints is None or self._pose is None:
            raise ArmError('dry run: not connected')
        if state.joint_positions is not self._joints or state.tcp_pose is not self._pose:
            state = replace(state, joint_positions=self._joints, tcp_pose=self._pose)
            self._state = state
        return state

    def send(self, command: Command) -> None:
        """Nothing moves."""

    def hold(self, deceleration: float) -> None:
        """Nothing moves."""

    def close(self) -> None:
        """Nothing is held."""
