"""What the codes of a UR controller mean: safety status bits, robot mode, runtime state.

Source: the RTDE guide of Universal Robots, as ur_rtde reads the codes.
"""

from dp_ros.core.robot import ArmStatus

PLAYING = 2
RUNTIME_STATES = ('stopping', 'stopped', 'playing', 'pausing', 'paused', 'resuming')
ROBOT_RUNNING = 7
ROBOT_MODES = {
    -1: 'no controller',
    0: 'disconnected',
    1: 'confirm safety',
    2: 'booting',
    3: 'power off',
    4: 'power on',
    5: 'idle, brakes on',
    6: 'backdrive',
    8: 'updating firmware',
}
# Bits of safety_status_bits, the gravest first. An emergency stop sets several of them.
SAFETY_BITS = (
    (1 << 9, ArmStatus.SAFETY_FAULT, 'fault'),
    (1 << 8, ArmStatus.SAFETY_FAULT, 'violation'),
    (1 << 3, ArmStatus.SAFETY_FAULT, 'recovery mode'),
    (1 << 6, ArmStatus.EMERGENCY_STOP, 'button of the robot'),
    (1 << 5, ArmStatus.EMERGENCY_STOP, 'of the system'),
    (1 << 7, ArmStatus.EMERGENCY_STOP, ''),
    (1 << 4, ArmStatus.SAFEGUARD_STOP, ''),
    (1 << 2, ArmStatus.PROTECTIVE_STOP, ''),
)


def arm_status(
    safety_bits: int, robot_mode: int, runtime_state: int, remote: bool | None
) -> tuple[ArmStatus, str]:
    """Status and a detail. remote: None where nobody knows, or where there is no such mode."""
    for mask, status, detail in SAFETY_BITS:
        if safety_bits & mask:
            return status, detail
    if robot_mode != ROBOT_RUNNING:
        name = ROBOT_MODES.get(robot_mode, str(robot_mode))
        return ArmStatus.NOT_OPERATIONAL, f'robot mode: {name}'
    if remote is False:
        return ArmStatus.NO_REMOTE_CONTROL, ''
    if runtime_state == PLAYING:
        return ArmStatus.RUNNING, ''
    known = 0 <= runtime_state < len(RUNTIME_STATES)
    state = RUNTIME_STATES[runtime_state] if known else str(runtime_state)
    return ArmStatus.PROGRAM_STOPPED, '' if state == 'stopped' else f'it is {state}'
