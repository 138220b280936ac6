"""The cell in motion: MuJoCo physics of a UR5e that pushes a T on a table."""

import math

import mujoco
import numpy as np

from dp_ros.hardware.ur_kinematics import UR5eKinematics
from dp_ros.sim.cell_model import TCP_OFFSET_M, TIMESTEP_S, block_qpos, cell_xml
from dp_ros.sim.pusht import Start

TIP_HEIGHT_M = 0.005
"""z of the tool centre point while pushing: the round finger end then clears the table."""

TOOL_DOWN = (math.pi * math.sqrt(0.5), -math.pi * math.sqrt(0.5), 0.0)
"""Tool orientation, rotation vector, base frame: z down, wrist 3 near zero."""

KINEMATICS = UR5eKinematics((0.0, 0.0, TCP_OFFSET_M, 0.0, 0.0, 0.0))
_IK_ITERATIONS = 30

READY_JOINTS = np.array([0.29, -1.81, -2.24, -0.66, 1.57, 0.29])
"""Elbow-up posture over the middle of the square; the branch that inverse kinematics follows."""
READY_JOINTS.setflags(write=False)


class Cell:
    """Position-controlled UR5e, table and T. All values are in the UR `base` frame, SI units."""

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_string(cell_xml())
        self.data = mujoco.MjData(self.model)
        self._tcp = self.model.site('tcp').id
        mujoco.mj_forward(self.model, self.data)

    def reset(self, start: Start) -> None:
        """Everything at rest: the tip at start.tip and pushing height, the T flat on the table.

        Raises ValueError when the arm cannot reach start.tip with the tool down.
        """
        joints = tool_down_joints(np.asarray(start.tip), READY_JOINTS)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:6] = joints
        self.data.qpos[6:] = block_qpos(np.array(start.block))
        self.data.ctrl[:] = joints
        mujoco.mj_forward(self.model, self.data)

    def advance(self, joint_setpoint: np.ndarray, duration_s: float) -> None:
        """Hold the position actuators at `joint_setpoint` (6,) rad for whole 2 ms steps.

        Raises RuntimeError when the physics has diverged.
        """
        self.data.ctrl[:] = joint_setpoint
        mujoco.mj_step(self.model, self.data, max(1, round(duration_s / TIMESTEP_S)))
        if self.data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number:
            raise RuntimeError(f'the simulated cell diverged at t = {self.data.time:.3f} s')

    @property
    def joint_positions(self) -> np.ndarray:
        """Shape (6,), rad, base to tip."""
        return self.data.qpos[:6].copy()

    @property
    def joint_velocities(self) -> np.ndarray:
        """Shape (6,), rad/s."""
        return self.data.qvel[:6].copy()

    @property
    def tcp_pose(self) -> np.ndarray:
        """Tool centre point, shape (7,): x y z metres, quaternion x y z w."""
        mujoco.mj_kinematics(self.model, self.data)
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, self.data.site_xmat[self._tcp])
        return np.concatenate([self.data.site_xpos[self._tcp], np.roll(quaternion, -1)])

    @property
    def block_pose(self) -> np.ndarray:
        """Shape (3,): x, y metres and yaw radians in (-pi, pi] of the T."""
        w, x, y, z = self.data.qpos[9:13]
        yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        return np.array([*self.data.qpos[6:8], yaw])

    @property
    def qpos(self) -> np.ndarray:
        """MuJoCo's generalised positions, shape (13,): six joints, then the T's free joint."""
        return self.data.qpos.copy()

    @property
    def state(self) -> np.ndarray:
        """The whole physics state; assign it back to return to this moment."""
        state = np.empty(mujoco.mj_stateSize(self.model, mujoco.mjtState.mjSTATE_INTEGRATION))
        mujoco.mj_getState(self.model, self.data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
        return state

    @state.setter
    def state(self, value: np.ndarray) -> None:
        mujoco.mj_setState(self.model, self.data, value, mujoco.mjtState.mjSTATE_INTEGRATION)
        mujoco.mj_forward(self.model, self.data)


def tool_down_joints(tip: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Joints (6,) that hold the tool down with the tip at `tip` (2,), close to `near` (6,).

    Raises ValueError when there is no solution.
    """
    joints = KINEMATICS.inverse((*tip, TIP_HEIGHT_M, *TOOL_DOWN), near.tolist(), _IK_ITERATIONS)
    if joints is None:
        raise ValueError(f'the arm cannot reach {tip} m with the tool down')
    return np.array(joints)
