from itertools import pairwise

import numpy as np
import pytest

from dp_ros.sim import demonstrations, pusht
from dp_ros.sim.approach import route
from dp_ros.sim.demonstrations import Yield, correct, demonstrate, generate
from dp_ros.sim.environment import PushTCell
from dp_ros.sim.expert import Expert
from dp_ros.sim.pushing_model import Block, push
from dp_ros.task import Horizons


@pytest.fixture(scope='module')
def env():
    return PushTCell()


def test_demonstrations_succeed_and_hold_labels_of_the_next_waypoint():
    counts = Yield()
    episodes = list(generate(3, seed=40, counts=counts))
    assert (counts.succeeded, counts.failed) == (3, 0)
    for seed, episode in zip(range(40, 43), episodes, strict=True):
        assert episode.seed == seed
        assert episode.coverage_max >= 0.97
        assert episode.state.shape == (len(episode.action), 5)
        assert episode.state.dtype == episode.action.dtype == np.float32
        speed = np.linalg.norm(np.diff(episode.action, axis=0), axis=1) / 0.1
        assert np.median(speed) < 0.18


def test_equal_seeds_give_equal_episodes(env):
    first, second = (demonstrate(env, 4) for _ in range(2))
    np.testing.assert_array_equal(first.state, second.state)


def test_noise_disturbs_what_is_done_and_not_the_label():
    expert = Expert(np.random.default_rng(0), noise_m=0.005)
    label = expert.act(np.array([0.3, -0.2, 0.5, 0.0, 1.0]))
    sent = np.array([expert.executed(label) for _ in range(200)])
    assert np.std(sent - label) == pytest.approx(0.005, rel=0.2)
    assert Expert(np.random.default_rng(0)).executed(label) is label


def test_it_takes_over_with_the_tip_in_contact_and_the_t_at_the_border(env):
    block = np.array([0.45, -0.20, 2.0])
    tip = pusht.to_base_frame(np.array([0.0, -0.016]), block)
    observation = env.reset_to(pusht.Start(tuple(tip), tuple(block)))
    expert = Expert(np.random.default_rng(1))
    for _ in range(300):
        observation = env.step(expert.act(observation))
        if expert.done:
            break
    assert env.coverage > 0.95


def turned(way, centre):
    """How far a path turns about a point, radians, counter-clockwise positive."""
    angle = np.unwrap(np.arctan2(way[:, 1] - centre[1], way[:, 0] - centre[0]))
    return angle[-1] - angle[0]


def test_both_sides_occur_and_side_tells_which():
    # The stem points at the tip and the T has to come this way, so the tip goes to its bar.
    observation = np.array([0.46, 0.10, 0.46, -0.18, 0.0])
    turns = {-1: [], 1: []}
    for seed in range(8):
        expert = Expert(np.random.default_rng(seed))
        way = [observation[:2]]
        for _ in range(40):
            way.append(expert.act(np.array([*way[-1], *observation[2:]])))
        turns[expert.side].append(turned(np.array(way), (0.46, -0.135)))
    assert min(turns[1]) > 0.5
    assert max(turns[-1]) < -0.5


@pytest.mark.parametrize('side', [-1, 1])
def test_routes_keep_clear_of_the_t_and_choose_the_side(side):
    pose = np.array([0.46, 0.0, 0.4])
    tip = pusht.to_base_frame(np.array([0.0, -0.08]), pose)
    contact = pusht.to_base_frame(np.array([0.0, 0.12 + pusht.TIP_RADIUS_M]), pose)
    way = route(tip, contact, pose, side * 0.25)
    dense = np.concatenate([np.linspace(a, b, 50) for a, b in pairwise(way)])
    assert min(pusht.tip_gap(point, pose) for point in dense) > -1e-6
    assert np.sign(turned(dense, pusht.to_base_frame(pusht.CENTRE_OF_MASS, pose))) == side


def test_no_route_to_a_contact_outside_the_square():
    pose = np.array([0.46, 0.24, 0.0])
    contact = pusht.to_base_frame(np.array([0.0, 0.12 + pusht.TIP_RADIUS_M]), pose)
    assert route(np.array([0.46, 0.0]), contact, pose) is None


def test_a_central_push_translates_the_t_and_an_eccentric_one_turns_it():
    block = Block.from_pose(np.array([[0.46, 0.0, 0.0], [0.46, 0.0, 0.0]]))
    x, y = np.array([0.46, 0.50]), np.full(2, -pusht.TIP_RADIUS_M)
    step = np.full(2, 0.002)
    for _ in range(10):
        y = y + step
        block = push(block, x, y, np.zeros(2), step)
    np.testing.assert_allclose(block.pose[0], [0.46, 0.02, 0.0], atol=1e-6)
    assert block.yaw[1] > 0.1
    gaps = [pusht.tip_gap(np.array([x[i], y[i]]), block.pose[i]) for i in range(2)]
    np.testing.assert_allclose(gaps, 0, atol=1e-3)


def stand_still(seen):
    return np.repeat(seen.vector[:, -1:, :2], 16, axis=1)


@pytest.mark.parametrize('delay_steps', [0, 2])
def test_the_expert_corrects_a_policy_that_gets_nowhere(env, delay_steps):
    sizes = Horizons(observation=2, prediction=16, action=8)
    (episode,) = correct(env, env, stand_still, sizes, 1, seed=7, delay_steps=delay_steps)
    assert episode.coverage_max > 0.95
    start = pusht.sample_start(np.random.default_rng(7))
    np.testing.assert_allclose(episode.state[0, 2:4], start.block[:2], atol=1e-3)


def test_a_policy_that_goes_on_from_what_is_committed_is_shown_how_to_leave_it(env):
    sizes = Horizons(observation=2, prediction=16, action=8)
    (episode,) = correct(env, env, stand_still, sizes, 1, seed=7, delay_steps=3, pins=True)
    # Where it stands it stays while it thinks; then the expert moves.
    rests = np.linalg.norm(episode.action - episode.state[0, :2], axis=1)
    assert rests[:3].max() < 2e-3
    assert rests[3:].min() > 5e-3
    assert episode.coverage_max > 0.95


def test_what_the_policy_solves_alone_is_passed_over(env, monkeypatch):
    """A policy that solves seed 40 as the expert would, and then does nothing any more."""
    monkeypatch.setattr(demonstrations, '_LEAD_STEPS', (399, 400))
    expert, starts = Expert(np.random.default_rng(40)), []

    def plan(seen):
        if env.snapshot.tick == 0:
            starts.append(seen.vector[0, -1])
        if len(starts) > 1:
            return stand_still(seen)
        return np.repeat(expert.act(seen.vector[0, -1])[None, None], 16, axis=1)

    counts = Yield()
    sizes = Horizons(observation=2, prediction=16, action=1)
    (episode,) = correct(env, env, plan, sizes, 1, seed=40, counts=counts)
    assert episode.seed == 41
    assert (counts.succeeded, counts.failed) == (1, 0)
    assert len(starts) == 2
