"""Six joints: the post can be passed on either side, and not in the middle."""

import numpy as np
import pytest

from dp_ros.data import replay_buffer
from dp_ros.paths import share
from dp_ros.sim import reach
from dp_ros.sim.kinematic_arm import KINEMATICS, LAG_S, KinematicArm
from dp_ros.sim.reach import POST, Reach
from dp_ros.task import load_task


def played(environment, actions):
    for action in actions:
        environment.step(action)
        if environment.done:
            break
    return environment


@pytest.mark.parametrize('far', [False, True])
def test_who_passes_the_post_on_either_side_arrives(far):
    environment = Reach()
    for seed in range(3):
        environment.reset(seed)
        played(environment, reach.way(environment.start, environment.goal, far, np.zeros(2)))
        assert environment.coverage == 1
        nearest = min(environment.path, key=lambda tip: abs(tip[1]))
        assert (nearest[0] > POST[0]) == far


def test_what_lies_between_both_ways_touches_the_post():
    environment = Reach()
    environment.reset(0)
    ways = [reach.way(environment.start, environment.goal, far, np.zeros(2)) for far in (0, 1)]
    played(environment, np.mean(ways, axis=0))
    assert environment.touched
    assert environment.done
    assert environment.coverage < 0.9


def test_a_goal_that_is_only_near_is_not_reached():
    environment = Reach()
    environment.reset(1)
    # At the place, but turned about the tool's axis.
    there = reach.way(environment.start, environment.goal, True, np.zeros(2))[-1]
    environment.arm = KinematicArm(there + np.array([0, 0, 0, 0, 0, 0.2]))
    metres, radians = environment.away
    assert metres < 1e-5
    assert radians == pytest.approx(0.2, abs=1e-5)
    assert environment.coverage == pytest.approx(0.9, abs=1e-3)
    assert not environment.done


def test_demonstrations_take_both_sides_and_are_what_the_environment_did(tmp_path):
    episodes = list(reach.demonstrations(12, seed=3))
    replay_buffer.write(tmp_path / 'set.zarr', episodes)
    task = load_task(share('config', 'tasks', 'ur5e_reach.yaml'))
    sides = []
    for number, episode in enumerate(replay_buffer.read(tmp_path / 'set.zarr')):
        assert episode.state.shape[1] == task.observation_dim
        assert episode.action.shape[1] == task.action_dim == 6
        environment = Reach()
        np.testing.assert_allclose(environment.reset(3 + number), episode.state[0], atol=1e-6)
        tips = [KINEMATICS.forward(joints)[:2] for joints in episode.state[:, :6].tolist()]
        sides.append(min(tips, key=lambda tip: abs(tip[1]))[0] > POST[0])
        assert played(environment, episode.action.astype(float)).coverage == 1
    assert 2 <= sum(sides) <= 10


def test_joints_lag_behind_a_ramp_by_the_time_of_their_filter():
    arm, speed = KinematicArm(np.zeros(6)), 0.5
    for step in range(1, 60):
        arm.step(np.full(6, 0.1 * speed * step))
    np.testing.assert_allclose(arm.joints, 0.1 * speed * 59 - LAG_S * speed, rtol=1e-9)
    # The same filter, one control period at a time.
    slow = KinematicArm(np.zeros(6))
    for tick in range(1, 5900):
        slow.servo(np.full(6, 0.001 * speed * tick), 0.001)
    np.testing.assert_allclose(slow.joints, arm.joints, atol=1e-3)
