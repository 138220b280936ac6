"""What outlives a program on the simulated controller: registers, setpoint, tool, payload."""

from dp_ros.hardware.ur_kinematics import UR5eKinematics
from dp_ros.sim.ur_motion import Joints, Setpoint

REGISTERS = 48


class Registers:
    """General purpose registers, and how often each input integer has been written."""

    def __init__(self) -> None:
        self.input_int = [0] * REGISTERS
        self.input_double = [0.0] * REGISTERS
        self.input_int_writes = [0] * REGISTERS
        self.output_int = [0] * REGISTERS
        self.output_double = [0.0] * REGISTERS


class RobotModel:
    """The arm as the controller sees it. joints, joint_speed: measured, (6,) [rad], [rad/s]."""

    def __init__(self, joints: Joints, period_s: float, tcp_offset: Joints) -> None:
        self.registers = Registers()
        self.setpoint = Setpoint(joints, period_s)
        self.kinematics = UR5eKinematics(tcp_offset)
        self.joints: Joints = self.setpoint.joints
        self.joint_speed: Joints = (0.0,) * 6
        self.payload_kg = 0.0
