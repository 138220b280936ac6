"""How far a new plan lies from the one before: at each time, and as a way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import interp1d

from dp_ros.core.plans import actions_apart, chunks_apart, way_distance
from dp_ros.core.stamped import ActionChunk

STEP = 100_000_000


def chunk(first, values):
    stamps = tuple(first * STEP + i * STEP for i in range(len(values)))
    return ActionChunk(stamps, np.array(values, float))


def arc(angles):
    return np.stack([0.1 * np.cos(angles), 0.1 * np.sin(angles)], axis=1)


@given(st.integers(1, 8), st.integers(0, 7))
def test_plans_that_agree_lie_nowhere_apart(count, later):
    points = arc(np.arange(20) * 0.2)
    apart = chunks_apart(chunk(0, points[:8]), chunk(later, points[later : later + count]), 2)
    assert apart.timed == 0
    assert apart.way == pytest.approx(0, abs=1e-12)


def test_the_timed_distance_is_the_mean_over_the_times_that_both_have():
    old = chunk(0, [[0, 0, 9], [0, 0, 9], [0, 0, 9]])
    new = chunk(1, [[3, 4, 0], [0, 1, 0], [50, 50, 0]])
    assert chunks_apart(old, new, 2).timed == pytest.approx(3.0)


def test_plans_that_share_no_time_are_not_compared():
    assert chunks_apart(chunk(0, [[0, 0]]), chunk(5, [[0, 0]]), 2) is None
    assert chunks_apart(None, chunk(5, [[0, 0]]), 2) is None


@given(st.floats(0.3, 3.0))
def test_a_plan_that_goes_the_same_way_at_another_speed_goes_the_same_way(speed):
    slow, fast = arc(np.arange(12) * 0.1), arc(np.arange(12) * 0.1 * speed)
    # An arc of 0.3 rad between two points lies at most 1.2 mm from the line between them.
    assert way_distance(slow, fast) < 1.2e-3
    apart = chunks_apart(chunk(0, slow), chunk(0, fast), 2)
    assert apart.timed == pytest.approx(np.linalg.norm(slow - fast, axis=1).mean())


def test_ways_around_either_side_are_two():
    angles = np.linspace(0.0, np.pi, 16)
    upper = arc(angles)
    assert way_distance(upper, upper * [1, -1]) > 0.05


@given(st.integers(0, 10_000))
def test_the_distance_from_a_line_is_that_from_its_nearest_point(seed):
    random = np.random.default_rng(seed)
    one, other = random.normal(size=(5, 2)), random.normal(size=(4, 2))

    def mean(points, line):
        dense = interp1d(np.arange(len(line)), line, axis=0)(np.linspace(0, len(line) - 1, 4001))
        return np.linalg.norm(points[:, None] - dense, axis=2).min(axis=1).mean()

    expected = min(mean(one, other), mean(other, one))
    assert way_distance(one, other) == pytest.approx(expected, abs=2e-3)


def test_a_plan_without_motion_is_a_point():
    assert way_distance(np.zeros((3, 2)), np.zeros((1, 2))) == 0
    assert way_distance(np.zeros((1, 2)), np.full((1, 2), 3.0)) == pytest.approx(18**0.5)


def test_actions_that_the_old_plan_has_not_are_not_compared_in_time():
    old = np.zeros((16, 2))
    old[:, 0] = np.arange(16)
    new = old.copy()
    new[12:, 1] = 100.0
    old[12:] = np.nan
    apart = actions_apart(old, new)
    assert apart.timed == 0
    assert apart.way == 0
    assert actions_apart(np.full((16, 2), np.nan), new) is None
