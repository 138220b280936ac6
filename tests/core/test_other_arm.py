"""An arm whose tip is not where its joints have it is not armed: its limits would be another's."""

import numpy as np
import pytest

from dp_ros.core import reach
from dp_ros.core.robot import ArmStatus, RobotState
from dp_ros.hardware.drivers import make_kinematics
from dp_ros.paths import share
from dp_ros.robot import load_robot
from dp_ros.task import load_task

ROBOT = load_robot(share('config', 'robots', 'ur5e_sim.yaml'))
TASK = load_task(share('config', 'tasks', 'pusht_cell.yaml'))
KINEMATICS = make_kinematics(ROBOT)
LIMITS = ROBOT.safety(TASK, KINEMATICS)
JOINTS = np.array([0.1, -1.9, -1.9, -0.9, 1.57, 0.0])


def refusal(away, joints=JOINTS):
    tip = KINEMATICS.positions(joints[None])[0] + away
    pose = np.array([*tip, 1.0, 0.0, 0.0, 0.0])
    state = RobotState(0.0, joints, np.zeros(6), pose, np.zeros(6), ArmStatus.RUNNING)
    return reach.refusal(pose, state, LIMITS)


def test_a_calibrated_arm_is_the_one_that_is_meant():
    assert 'mm away' not in refusal(np.array([0.003, -0.002, 0.002]))


@pytest.mark.parametrize('away', [(0.0, 0.0, -0.056), (0.007, 0.023, 0.0)], ids=['UR5', 'tool'])
def test_another_model_or_another_tool_is_refused_with_how_far(away):
    said = refusal(np.array(away))
    assert f'{np.linalg.norm(away) * 1e3:.0f} mm away' in said
    assert 'tcp_offset is that of the tool' in said
