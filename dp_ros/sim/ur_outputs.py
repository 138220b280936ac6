"""RTDE output variables of the simulated controller: name -> function that gives the value.

A value is computed only when a package that carries it is due. Currents, voltages, temperatures
and forces are constants: the world behind the controller has no motors, only joints.
"""

import enum
from collections.abc import Callable
from typing import Protocol

from dp_ros.sim.rtde_server import Value
from dp_ros.sim.ur_model import RobotModel

ZEROS = (0.0,) * 6
SIX_ZEROS = (
    'target_qdd',
    'target_current',
    'target_moment',
    'actual_current',
    'joint_control_output',
    'actual_TCP_force',
    'ft_raw_wrench',
    'payload_inertia',
)
THREE_ZEROS = ('payload_cog', 'elbow_position', 'elbow_velocity')
REAL_ZEROS = (
    'actual_execution_time',
    'actual_momentum',
    'standard_analog_input0',
    'standard_analog_input1',
    'standard_analog_output0',
    'standard_analog_output1',
)
INTEGER_ZEROS = ('actual_digital_input_bits', 'actual_digital_output_bits')
JOINT_RUNNING = 253
PLAYING, STOPPED = 2, 1
# Robot modes.
POWER_OFF, IDLE, RUNNING = 3, 5, 7


class SafetyMode(enum.IntEnum):
    """Safety modes of RTDE that the simulated controller can be in."""

    NORMAL = 1
    PROTECTIVE_STOP = 3
    SAFEGUARD_STOP = 5
    EMERGENCY_STOP = 7


# Bits: 0 normal, 2 protective, 4 safeguard, 6 robot e-stop, 7 e-stopped, 10 stopped by safety.
SAFETY_BITS = {
    SafetyMode.NORMAL: 1 << 0,
    SafetyMode.PROTECTIVE_STOP: 1 << 2 | 1 << 10,
    SafetyMode.SAFEGUARD_STOP: 1 << 4 | 1 << 10,
    SafetyMode.EMERGENCY_STOP: 1 << 6 | 1 << 7 | 1 << 10,
}


class Controller(Protocol):
    """The parts of the controller that the variables show."""

    robot: RobotModel
    ticks: int
    period_s: float
    robot_mode: int
    safety_mode: SafetyMode

    @property
    def program_running(self) -> bool: ...


def outputs(controller: Controller) -> dict[str, Callable[[], Value]]:
    """All output variables but the registers."""
    robot = controller.robot
    setpoint = robot.setpoint

    def constant(value: Value) -> Callable[[], Value]:
        return lambda: value

    def powered() -> int:
        return int(controller.robot_mode == RUNNING)

    def tcp_speed(joints: Value, speed: Value) -> Value:
        return (robot.kinematics.jacobian(joints) @ speed).tolist()  # type: ignore[arg-type]

    table: dict[str, Callable[[], Value]] = {
        'timestamp': lambda: controller.ticks * controller.period_s,
        'target_q': lambda: setpoint.joints,
        'target_qd': lambda: setpoint.speed,
        'actual_q': lambda: robot.joints,
        'actual_qd': lambda: robot.joint_speed,
        'actual_TCP_pose': lambda: robot.kinematics.forward(robot.joints),
        'actual_TCP_speed': lambda: tcp_speed(robot.joints, robot.joint_speed),
        'target_TCP_pose': lambda: robot.kinematics.forward(setpoint.joints),
        'target_TCP_speed': lambda: tcp_speed(setpoint.joints, setpoint.speed),
        'robot_mode': lambda: controller.robot_mode,
        'safety_mode': lambda: int(controller.safety_mode),
        'runtime_state': lambda: PLAYING if controller.program_running else STOPPED,
        'robot_status_bits': lambda: powered() | controller.program_running << 1,
        'safety_status_bits': lambda: SAFETY_BITS[controller.safety_mode],
        'payload': lambda: robot.payload_kg,
        'joint_mode': constant((JOINT_RUNNING,) * 6),
        'joint_temperatures': constant((30.0,) * 6),
        'actual_joint_voltage': constant((48.0,) * 6),
        'actual_main_voltage': constant(48.0),
        'actual_robot_voltage': constant(48.0),
        'actual_robot_current': constant(1.0),
        'speed_scaling': constant(1.0),
        'target_speed_fraction': constant(1.0),
        'actual_tool_accelerometer': constant((0.0, 0.0, 9.81)),
    }
    table.update(dict.fromkeys(SIX_ZEROS, constant(ZEROS)))
    table.update(dict.fromkeys(THREE_ZEROS, constant(ZEROS[:3])))
    table.update(dict.fromkeys(REAL_ZEROS, constant(0.0)))
    table.update(dict.fromkeys(INTEGER_ZEROS, constant(0)))
    return table
