"""The controller's codes, gravest first."""

import pytest

from dp_ros.core.robot import ArmStatus
from dp_ros.hardware.ur_status import PLAYING, ROBOT_RUNNING, arm_status
from dp_ros.sim.ur_outputs import SAFETY_BITS, SafetyMode

NORMAL, STOPPED = 1, 1


@pytest.mark.parametrize(
    ('bits', 'mode', 'runtime', 'remote', 'status', 'detail'),
    [
        (NORMAL, 7, PLAYING, None, ArmStatus.RUNNING, ''),
        (1 << 1, 7, PLAYING, True, ArmStatus.RUNNING, ''),  # reduced mode
        (NORMAL, 7, STOPPED, True, ArmStatus.PROGRAM_STOPPED, ''),
        (NORMAL, 7, 4, True, ArmStatus.PROGRAM_STOPPED, 'it is paused'),
        (NORMAL, 7, 17, True, ArmStatus.PROGRAM_STOPPED, 'it is 17'),
        (NORMAL, 7, PLAYING, False, ArmStatus.NO_REMOTE_CONTROL, ''),
        (NORMAL, 7, STOPPED, False, ArmStatus.NO_REMOTE_CONTROL, ''),
        (NORMAL, 3, STOPPED, False, ArmStatus.NOT_OPERATIONAL, 'robot mode: power off'),
        (NORMAL, 2, STOPPED, None, ArmStatus.NOT_OPERATIONAL, 'robot mode: booting'),
        (NORMAL, -1, STOPPED, None, ArmStatus.NOT_OPERATIONAL, 'robot mode: no controller'),
        (1 << 2 | 1 << 10, 7, STOPPED, False, ArmStatus.PROTECTIVE_STOP, ''),
        (1 << 4 | 1 << 10, 7, STOPPED, True, ArmStatus.SAFEGUARD_STOP, ''),
        (1 << 4 | 1 << 2, 7, STOPPED, True, ArmStatus.SAFEGUARD_STOP, ''),
        (1 << 6 | 1 << 7, 3, STOPPED, True, ArmStatus.EMERGENCY_STOP, 'button of the robot'),
        (1 << 5 | 1 << 7, 3, STOPPED, True, ArmStatus.EMERGENCY_STOP, 'of the system'),
        (1 << 7, 3, STOPPED, True, ArmStatus.EMERGENCY_STOP, ''),
        (1 << 3, 7, STOPPED, True, ArmStatus.SAFETY_FAULT, 'recovery mode'),
        (1 << 8 | 1 << 2, 7, STOPPED, True, ArmStatus.SAFETY_FAULT, 'violation'),
        (1 << 9 | 1 << 7, 3, STOPPED, True, ArmStatus.SAFETY_FAULT, 'fault'),
    ],
)
def test_codes_are_named(bits, mode, runtime, remote, status, detail):
    assert arm_status(bits, mode, runtime, remote) == (status, detail)


@pytest.mark.parametrize('mode', SafetyMode)
def test_the_simulated_controller_speaks_the_same_bits(mode):
    status, _ = arm_status(SAFETY_BITS[mode], ROBOT_RUNNING, PLAYING, True)
    assert status.value.replace(' ', '_') == mode.name.lower() or mode is SafetyMode.NORMAL
