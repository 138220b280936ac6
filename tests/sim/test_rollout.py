import numpy as np
import pytest

from dp_ros.sim.rollout import Outcome, rollout
from dp_ros.task import Horizons

SIZES = Horizons(observation=3, prediction=8, action=4, first=-2)


class Counter:
    """A world that remembers: the observation is the number of steps; over after `lasts`."""

    def __init__(self, lasts):
        self.lasts, self.steps, self.played = lasts, 0, []

    def reset(self, seed):
        return np.array([0.0])

    def step(self, action):
        self.played.append(float(action[0]))
        self.steps += 1
        return np.array([float(self.steps)])

    @property
    def coverage(self):
        # Best half way, worse at the end.
        return 1 - abs(self.steps / self.lasts - 0.5)

    @property
    def done(self):
        return self.steps >= self.lasts


def run(lasts, max_steps=100):
    worlds = [Counter(n) for n in lasts]
    waiting = iter(worlds)
    seen = []

    def plan(observations):
        seen.append(observations.copy())
        numbers = 100 * len(seen) + np.arange(8.0)
        return np.tile(numbers[None, :, None], (len(observations), 1, 1))

    outcomes = list(
        rollout(lambda: next(waiting), plan, list(range(len(lasts))), SIZES, max_steps)
    )
    return worlds, seen, outcomes


def test_each_plan_plays_its_t_a_actions_from_now_on():
    (world,), _, _ = run([10])
    assert world.played == [102, 103, 104, 105, 202, 203, 204, 205, 302, 303]


def test_the_window_holds_the_last_observations_and_begins_with_the_first_repeated():
    _, seen, _ = run([10])
    assert [w[0, :, 0].tolist() for w in seen] == [[0, 0, 0], [2, 3, 4], [6, 7, 8]]


def test_episodes_that_are_over_are_no_longer_planned_or_played():
    worlds, seen, outcomes = run([2, 9, 5])
    assert [len(w) for w in seen] == [3, 2, 1]
    assert [w.steps for w in worlds] == [2, 9, 5]
    assert [(o.seed, o.steps) for o in outcomes] == [(0, 2), (2, 5), (1, 9)]


def test_time_runs_out_for_all_that_are_left():
    _, _, outcomes = run([50, 3, 60], max_steps=7)
    assert sorted((o.seed, o.steps) for o in outcomes) == [(0, 7), (1, 3), (2, 7)]


def test_the_best_coverage_counts_and_the_last_is_kept():
    (_, _, (outcome,)) = run([10])
    assert outcome.coverage_max == 1
    assert outcome.coverage_last == pytest.approx(0.5)


@pytest.mark.parametrize(
    ('coverage', 'score', 'success'),
    [(0, 0, False), (0.475, 0.5, False), (0.95, 1, False), (0.951, 1, True), (1, 1, True)],
)
def test_score_is_the_coverage_as_a_share_of_95_percent(coverage, score, success):
    outcome = Outcome(seed=0, coverage_max=coverage, coverage_last=0, steps=1)
    assert outcome.score == pytest.approx(score)
    assert outcome.success is success
