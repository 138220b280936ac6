import numpy as np
import pytest

from dp_ros.core.rotations import rotation_vector_from_quaternion
from dp_ros.sim import pusht
from dp_ros.sim.cell import KINEMATICS, TIP_HEIGHT_M, TOOL_DOWN, Cell
from dp_ros.sim.environment import PushTCell

CENTRE = pusht.Start(tip=(0.40, -0.10), block=(0.40, -0.07, 0.0))


@pytest.fixture(scope='module')
def cell():
    return Cell()


@pytest.fixture(scope='module')
def env():
    return PushTCell()


@pytest.mark.parametrize('x', [0.204, 0.46, 0.716])
@pytest.mark.parametrize('y', [-0.256, 0.0, 0.256])
def test_the_tip_starts_where_asked_in_the_frame_of_the_controller(cell, x, y):
    block = (0.46 if abs(x - 0.46) > 0.1 else 0.3, -y / 2, 0.5)
    cell.reset(pusht.Start((x, y), block))
    np.testing.assert_allclose(cell.tcp_pose[:3], [x, y, TIP_HEIGHT_M], atol=1e-5)
    turn = rotation_vector_from_quaternion(cell.tcp_pose[3:])
    np.testing.assert_allclose(np.abs(turn), np.abs(TOOL_DOWN), atol=1e-4)
    np.testing.assert_allclose(cell.block_pose, block, atol=1e-9)
    np.testing.assert_allclose(cell.joint_velocities, 0)


def test_kinematics_of_the_model_are_those_of_the_package(cell):
    cell.reset(CENTRE)
    pose = KINEMATICS.forward(cell.joint_positions)
    np.testing.assert_allclose(cell.tcp_pose[:3], pose[:3], atol=1e-12)


def test_out_of_reach_is_refused(cell):
    with pytest.raises(ValueError, match='cannot reach'):
        cell.reset(pusht.Start((1.5, 0.0), (0.46, 0.0, 0.0)))


def test_at_rest_nothing_moves(cell):
    cell.reset(CENTRE)
    before = cell.qpos
    cell.advance(cell.joint_positions, 0.5)
    np.testing.assert_allclose(cell.qpos, before, atol=2e-4)


def test_a_setpoint_is_reached(cell):
    cell.reset(CENTRE)
    goal = cell.joint_positions + 0.02 * np.array([1, -1, 1, 1, -1, 1])
    cell.advance(goal, 1.0)
    np.testing.assert_allclose(cell.joint_positions, goal, atol=1e-3)


def test_the_tip_pushes_the_t_straight_and_it_stops_with_the_tip(env):
    env.reset_to(CENTRE)
    for step in range(8):
        env.step(np.array([0.40, -0.10 + 0.01 * (step + 1)]))
    for _ in range(8):
        observation = env.step(np.array([0.40, -0.02]))
    np.testing.assert_allclose(observation[:2], [0.40, -0.02], atol=1e-3)
    assert observation[3] == pytest.approx(-0.02 + pusht.TIP_RADIUS_M, abs=1e-3)
    assert abs(observation[4]) < 0.05


def test_the_tip_follows_the_command_with_the_lag_of_the_servo(env):
    env.reset_to(pusht.Start((0.30, -0.20), (0.5, 0.1, 0.0)))
    for step in range(10):
        observation = env.step(np.array([0.30 + 0.012 * (step + 1), -0.20]))
    lag_s = (0.42 - observation[0]) / 0.12
    assert 0.10 < lag_s < 0.16  # the lookahead of 0.1 s and the actuators' own


def test_commands_stay_in_the_square(env):
    env.reset_to(pusht.Start((0.30, -0.20), (0.5, 0.1, 0.0)))
    for _ in range(15):
        observation = env.step(np.array([0.30, -0.60]))
    assert observation[1] == pytest.approx(-0.256, abs=2e-3)


def test_a_snapshot_continues_exactly(env):
    env.reset(5)
    tip = env.observation[:2]
    actions = np.clip(tip + np.linspace(0, 0.1, 8)[:, None], pusht.SQUARE_LOW, pusht.SQUARE_HIGH)
    for action in actions[:4]:
        env.step(action)
    moment = env.snapshot
    first = [env.step(action) for action in actions[4:]]
    env.snapshot = moment
    again = [env.step(action) for action in actions[4:]]
    np.testing.assert_array_equal(first, again)


def test_equal_seeds_give_equal_starts(env):
    np.testing.assert_array_equal(env.reset(9), env.reset(9))
    assert env.coverage == pytest.approx(pusht.coverage(env.observation[2:]))
