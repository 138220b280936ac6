from types import MappingProxyType

import numpy as np
import pytest

from dp_ros.sim.rollout import LockStep, Outcome, rollout
from dp_ros.task import Horizons

SIZES = Horizons(observation=3, prediction=8, action=4, first=-2)


class Counter:
    """A world that remembers: it shows the number of steps; over after `lasts`."""

    images = MappingProxyType({})

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


class Filmed(Counter):
    """One that also has a camera; a frame's pixels are the number of steps."""

    def __init__(self, lasts):
        super().__init__(lasts)
        self.taken = []

    @property
    def images(self):
        self.taken.append(self.steps)
        return {'eye': np.full((2, 2, 3), self.steps, np.uint8)}


def run(lasts, max_steps=100, delay_steps=0, horizons=SIZES, world=Counter):
    worlds = [world(n) for n in lasts]
    waiting = iter(worlds)
    seen = []

    def plan(observed):
        seen.append(observed)
        numbers = 100 * len(seen) + np.arange(float(horizons.prediction))
        return np.tile(numbers[None, :, None], (len(observed.vector), 1, 1))

    outcomes = list(
        rollout(
            lambda: next(waiting), plan, list(range(len(lasts))), horizons, max_steps, delay_steps
        )
    )
    return worlds, seen, outcomes


def test_each_plan_plays_its_t_a_actions_from_now_on():
    (world,), _, _ = run([10])
    assert world.played == [102, 103, 104, 105, 202, 203, 204, 205, 302, 303]


def test_the_window_holds_the_last_observations_and_begins_with_the_first_repeated():
    _, seen, _ = run([10])
    assert [w.vector[0, :, 0].tolist() for w in seen] == [[0, 0, 0], [2, 3, 4], [6, 7, 8]]


def test_a_late_chunk_lets_the_one_before_it_play_on():
    sizes = Horizons(observation=3, prediction=12, action=4, first=-2)
    (world,), _, _ = run([14], delay_steps=3, horizons=sizes)
    assert world.played == [
        102, 103, 104, 105,  # at the start the robot waits for the first one
        106, 107, 108, 205,
        206, 207, 208, 305,
        306, 307,
    ]  # fmt: skip


def test_a_delay_of_a_whole_horizon_plays_every_chunk_one_turn_late():
    sizes = Horizons(observation=3, prediction=12, action=4, first=-2)
    (world,), _, _ = run([12], delay_steps=4, horizons=sizes)
    assert world.played == [102, 103, 104, 105, 106, 107, 108, 109, 206, 207, 208, 209]


@pytest.mark.parametrize(('steps', 'most'), [(3, 2), (-1, 2)])
def test_a_delay_that_no_prediction_bridges_is_refused(steps, most):
    with pytest.raises(ValueError, match=f'delay of {steps} steps .* bridge up to {most}'):
        run([10], delay_steps=steps)


def test_the_window_holds_the_frames_of_the_same_steps_and_no_others_are_taken():
    worlds, seen, _ = run([10, 6], world=Filmed)
    for observed in seen:
        assert observed.images['eye'].shape == (*observed.vector.shape[:2], 2, 2, 3)
        np.testing.assert_array_equal(
            observed.images['eye'][..., 0, 0, 0], observed.vector[..., 0]
        )
    assert len(seen) == 3
    assert set(worlds[0].taken) == {0, 2, 3, 4, 6, 7, 8, 10}


def test_episodes_that_are_over_are_no_longer_planned_or_played():
    worlds, seen, outcomes = run([2, 9, 5])
    assert [len(w.vector) for w in seen] == [3, 2, 1]
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


def test_a_policy_is_told_the_plan_that_is_being_played():
    _, seen, _ = run([10])
    first, second, third = seen
    assert first.before is None
    # Step for step beside the new one: what was four steps later in the plan before.
    assert second.before[0, :, 0].tolist()[:4] == [104, 105, 106, 107]
    assert third.before[0, :, 0].tolist()[:4] == [204, 205, 206, 207]
    assert np.isnan(second.before[0, 4:]).all()


@pytest.mark.parametrize('delay_steps', [0, 1, 2])
def test_what_is_committed_is_what_is_played_next(delay_steps):
    world, random = Counter(100), np.random.default_rng(0)

    def plan(seen):
        return random.normal(size=(1, 8, 1))

    driven = LockStep([world], [world.reset(0)], plan, SIZES, delay_steps)
    assert driven.committed(0) == []
    foretold = {}
    for step in range(1, 40):
        driven.step([0])
        foretold[step] = [float(action[0]) for action in driven.committed(0)]
    for step, actions in foretold.items():
        if step % SIZES.action == 0 and step + delay_steps < 40:
            assert actions == world.played[step : step + delay_steps]
            assert len(actions) == delay_steps
