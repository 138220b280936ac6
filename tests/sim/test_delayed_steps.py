from types import MappingProxyType

import numpy as np
import pytest

from dp_ros.core.plans import Apart
from dp_ros.sim.delayed_steps import Compared, Recorded, Waiting
from dp_ros.sim.rollout import Seen, rollout
from dp_ros.task import Horizons

SIZES = Horizons(observation=2, prediction=16, action=4)


class Point:
    """A world that shows where it was sent; it is done once it has covered enough."""

    images = MappingProxyType({})

    def __init__(self, lasts=1000):
        self.lasts, self.count = lasts, 0

    def reset(self, seed):
        self.count = 0
        return np.zeros(2)

    def step(self, action):
        self.count += 1
        return np.asarray(action, float)

    @property
    def coverage(self):
        return min(1.0, self.count / self.lasts)

    @property
    def done(self):
        return self.count >= self.lasts


def numbered():
    """A plan whose n-th chunk holds 100 n, 100 n + 1, ... in both components."""
    calls = []

    def plan(seen):
        calls.append(seen)
        values = 100.0 * len(calls) + np.arange(16.0)
        return np.tile(values[None, :, None], (len(seen.vector), 1, 2))

    return plan


def test_stop_and_wait_keeps_the_last_action_and_counts_it():
    world = Recorded(Point(), limit=12)
    waiting = Waiting(world, action_steps=4, delay_steps=2)
    (outcome,) = rollout(lambda: waiting, numbered(), [0], SIZES, 12)
    firsts = [int(action[0]) for action in world.actions]
    assert firsts == [101, 102, 103, 104, 104, 104, 201, 202, 203, 204, 204, 204]
    assert waiting.waited == 4
    assert outcome.coverage_max == pytest.approx(12 / 1000)


def test_without_a_delay_nobody_waits():
    world = Recorded(Point(), limit=12)
    waiting = Waiting(world, action_steps=4, delay_steps=0)
    list(rollout(lambda: waiting, numbered(), [0], SIZES, 12))
    assert waiting.waited == 0
    assert [int(action[0]) for action in world.actions][:5] == [101, 102, 103, 104, 201]


def test_success_while_waiting_ends_the_episode():
    world = Recorded(Point(lasts=5), limit=100)
    waiting = Waiting(world, action_steps=4, delay_steps=3)
    list(rollout(lambda: waiting, numbered(), [0], SIZES, 100))
    assert len(world.actions) == 5
    assert world.best == 1


def test_a_smooth_path_has_the_ratio_one_and_a_kink_at_the_seam_does_not():
    world = Recorded(Point(), limit=1000)
    world.reset(0)
    for angle in np.arange(40) * 0.1:
        world.step(np.array([100 * np.cos(angle), 100 * np.sin(angle)]))
    assert world.roughness([8, 16, 24]).ratio == pytest.approx(1)
    world.actions[16:] = [action + 30 for action in world.actions[16:]]
    assert world.roughness([16]).ratio > 10
    assert world.roughness([20]).ratio < 1
    # Both second differences that span the joint belong to it.
    assert world.roughness([16]).seams.count == 2


def test_equal_plans_lie_nowhere_apart_and_others_by_their_mean():
    def plan(seen):
        values = 10.0 * np.arange(16.0)[None, :, None] * np.ones((1, 1, 2))
        return values + 40 * (seen.before is not None)

    compared = Compared(plan, SIZES, delay_steps=2)
    compared(Seen(np.zeros((1, 2, 2))))
    first = compared._plan(Seen(np.zeros((1, 2, 2))))
    before = np.full_like(first, np.nan)
    before[:, :-4] = first[:, 4:]
    compared(Seen(np.zeros((1, 2, 2)), {}, before))
    assert compared.apart == [Apart(0.0, 0.0)]


def test_the_prefix_that_is_played_anyway_does_not_count():
    def plan(seen):
        values = np.zeros((1, 16, 2))
        values[:, :3] = 500.0
        return values

    compared = Compared(plan, SIZES, delay_steps=2)
    before = np.zeros((1, 16, 2))
    before[:, 12:] = np.nan
    compared(Seen(np.zeros((1, 2, 2)), {}, before))
    assert compared.apart == [Apart(0.0, 0.0)]
