"""The lag of the simulated controller's servo, measured as `dp-ros calibrate servo` does."""

import numpy as np
import pytest

from dp_ros.core import servo_lag
from dp_ros.hardware.ur_kinematics import (
    UR5eKinematics,
    quaternion_pose,
    rotation_vector_pose,
)
from dp_ros.nodes.wave import FREQUENCIES_HZ, Wave
from dp_ros.sim import ur_motion

CONTROL_S, COMMAND_TICKS = 0.002, 4
START = (0.0, -1.5, 1.8, -1.9, -1.57, 0.0)


def followed(lookahead_s, seconds=8.0):
    """Commands at 125 Hz and states of a servo at 500 Hz, as stamps and positions (n, 3)."""
    kinematics = UR5eKinematics((0, 0, 0.16, 0, 0, 0))
    wave = Wave(np.array(quaternion_pose(kinematics.forward(START))), 0, seconds)
    setpoint = ur_motion.Setpoint(START, CONTROL_S)
    goal = list(START)
    motion = ur_motion.servo(setpoint, lambda: tuple(goal), lookahead_s)
    stamps, commands, states = [], [], []
    for tick in range(round(seconds / CONTROL_S)):
        if tick % COMMAND_TICKS == 0:
            pose = wave.pose(tick * CONTROL_S)
            stamps.append(round(tick * CONTROL_S * 1e9))
            commands.append(pose[:3])
            states.append(kinematics.forward(setpoint.joints)[:3])
            goal = list(kinematics.inverse(rotation_vector_pose(pose), setpoint.joints))
        next(motion)
    return np.array(stamps), np.array(commands), np.array(stamps), np.array(states)


@pytest.mark.parametrize('lookahead_s', [0.03, 0.1, 0.2])
def test_the_measured_lag_is_that_of_the_servo(lookahead_s):
    found = servo_lag.measure(*followed(lookahead_s))
    omega = 2 * np.pi * np.array(FREQUENCIES_HZ)
    delays = np.arctan(omega * lookahead_s) / omega
    # A setpoint holds for one command period: half of it more, on average.
    held = CONTROL_S * COMMAND_TICKS / 2
    assert delays.min() - 0.010 < found.lag_s - held < delays.max() + 0.010
    assert found.agreement > 0.99
