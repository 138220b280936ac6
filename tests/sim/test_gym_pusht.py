import numpy as np
import pytest

from dp_ros.sim.gym_pusht import GOAL_POSE, GymPushT


def play(seed):
    environment = GymPushT()
    seen = [environment.reset(seed)]
    rng = np.random.default_rng(seed)
    covered = []
    for _ in range(20):
        seen.append(environment.step(seen[-1][2:4] + rng.normal(size=2) * 40))
        covered.append(environment.coverage)
    return np.array(seen), covered


def test_the_same_seed_and_actions_give_the_same_episode_to_the_bit():
    (first, covered), (second, covered_again) = play(11), play(11)
    np.testing.assert_array_equal(first, second)
    assert covered == covered_again
    assert np.ptp(first[:, 2]) > 1, 'the block was not even touched'


def test_resetting_again_forgets_what_happened():
    environment = GymPushT()
    start = environment.reset(5)
    for _ in range(5):
        environment.step(start[2:4])
    np.testing.assert_array_equal(environment.reset(5), start)
    assert environment.coverage == 0
    assert not environment.done


def test_starts_differ_between_seeds_and_lie_in_the_square():
    starts = np.array([GymPushT().reset(seed) for seed in range(5)])
    assert starts.shape == (5, 5)
    assert len(np.unique(starts[:, 0])) == 5
    assert np.all((starts[:, :4] > 0) & (starts[:, :4] < 512))


def test_a_block_that_nobody_touches_rests_where_it_lay():
    state = np.array([60.0, 60.0, 300.0, 280.0, 0.7])
    rest = GymPushT().rest_pose(state, np.tile([60.0, 60.0], (3, 1)))
    np.testing.assert_allclose(rest, state[2:], atol=1e-6)


def test_a_block_on_the_goal_covers_it():
    environment = GymPushT()
    environment.rest_pose(np.array([60.0, 60.0, *GOAL_POSE]), np.tile([60.0, 60.0], (3, 1)))
    assert environment.coverage == pytest.approx(1, abs=1e-3)
    assert environment.done
