"""Two arms and a bar: it comes along with both hands, or not at all."""

import numpy as np
import pytest

from dp_ros.paths import share
from dp_ros.sim import carry, carry_expert
from dp_ros.sim.carry import PARTS, Carry
from dp_ros.task import load_task

LEFT, RIGHT = PARTS['left'].states[0], PARTS['right'].states[0]
TASK = load_task(share('config', 'tasks', 'two_arms_carry.yaml'))


def played(actions, seed=0):
    environment = Carry()
    environment.reset(seed)
    for action in actions:
        environment.step(action)
        if environment.done:
            break
    return environment


@pytest.fixture(scope='module')
def way():
    environment = Carry()
    environment.reset(0)
    return carry_expert.way(environment)


def grasped(way):
    """Index of the first action with closed grippers."""
    return int(np.argmax(way[:, LEFT] > 0))


def test_the_description_says_whose_each_component_is():
    assert TASK.action.parts == PARTS
    assert TASK.action_dim == 14
    environment = Carry()
    assert len(environment.observation) == TASK.observation_dim


def test_the_expert_carries_the_bar_to_its_goal_again_and_again():
    for number, episode in enumerate(carry_expert.demonstrations(4, seed=20)):
        environment = played(episode.action.astype(float), 20 + number)
        assert environment.coverage == 1
        assert not environment.slipped
        np.testing.assert_allclose(environment.bar, environment.goal, atol=0.01)


def test_one_gripper_alone_takes_nothing(way):
    alone = way.copy()
    alone[:, RIGHT] = 0
    environment = played(alone)
    assert not environment.held
    np.testing.assert_array_equal(environment.bar, environment.begun)
    assert not environment.done


def test_a_hand_that_stays_behind_loses_the_bar(way):
    torn = way.copy()
    held = grasped(way) + carry_expert.WAIT_STEPS
    torn[held:, list(PARTS['right'].joints)] = way[held, list(PARTS['right'].joints)]
    environment = played(torn)
    assert environment.slipped
    assert environment.done
    assert environment.coverage < 0.95


def test_a_bar_that_is_let_go_in_the_air_falls(way):
    dropped = way.copy()
    dropped[grasped(way) + carry_expert.WAIT_STEPS + carry_expert.CARRY_STEPS // 2 :, LEFT] = 0
    environment = played(dropped)
    assert environment.slipped
    assert environment.bar[2] == carry.LYING_M


def test_the_bar_keeps_its_length_between_the_hands(way):
    environment = Carry()
    environment.reset(0)
    lengths = []
    for action in way:
        environment.step(action)
        if environment.held:
            first, second = environment.hands
            lengths.append(np.linalg.norm(second - first))
            np.testing.assert_allclose(
                carry.ends(environment.bar).mean(axis=0), environment.hands.mean(axis=0), atol=1e-3
            )
    assert len(lengths) > carry_expert.CARRY_STEPS
    np.testing.assert_allclose(lengths, carry.LENGTH_M, atol=0.01)


def test_a_point_seen_from_the_other_arm_and_back_is_the_same():
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(carry.across(carry.across(points)), points)
