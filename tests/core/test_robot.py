"""Values of the arm: read-only, checked at construction."""

import numpy as np
import pytest

from dp_ros.core.robot import ArmStatus, Command, RobotState

POSE = (0.4, 0.1, 0.2, 0.0, 1.0, 0.0, 0.0)


def state(**changes):
    values = {
        'controller_time_s': 1.0,
        'joint_positions': [0, 1, 2, 3, 4, 5],
        'joint_velocities': np.zeros(6, np.float32),
        'tcp_pose': POSE,
        'tcp_wrench': np.zeros(6),
        'status': ArmStatus.RUNNING,
    }
    return RobotState(**{**values, **changes})


def test_arrays_become_read_only_copies_in_float64():
    source = np.zeros(6)
    result = state(tcp_wrench=source)
    source[0] = 1.0
    assert result.tcp_wrench[0] == 0.0
    for array in (result.joint_positions, result.joint_velocities, result.tcp_pose):
        assert array.dtype == np.float64
        with pytest.raises(ValueError, match='read-only'):
            array[0] = 1.0


def test_a_state_of_wrong_shape_names_the_field():
    with pytest.raises(ValueError, match=r'tcp_pose has shape \(6,\); expected \(7,\)'):
        state(tcp_pose=np.zeros(6))


@pytest.mark.parametrize(
    ('space', 'values', 'reason'),
    [
        ('joint', [0.0] * 5, r'shape \(5,\)'),
        ('cartesian', [0.0] * 6, r'shape \(6,\)'),
        ('joint', [0.0] * 5 + [np.nan], 'not finite'),
        ('cartesian', [np.inf, *POSE[1:]], 'not finite'),
        ('cartesian', [0.0] * 7, 'length 0'),
        ('tool', [0.0] * 6, "expected 'cartesian' or 'joint'"),
    ],
)
def test_a_command_that_makes_no_sense_never_comes_to_exist(space, values, reason):
    with pytest.raises(ValueError, match=reason):
        Command(space, values)


def test_a_command_keeps_its_values():
    assert Command('cartesian', POSE).values.tolist() == list(POSE)
    assert Command('joint', range(6)).values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
