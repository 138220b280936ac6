import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.core import trajectory
from dp_ros.core.seams import Roughness, Squares, roughness

TICK, STEP = 8_000_000, 100_000_000


def played(waypoints):
    """What a robot is told that goes in straight lines from waypoint to waypoint."""
    stamps = np.arange(len(waypoints), dtype=np.int64) * STEP
    times = np.arange(0, stamps[-1], TICK, dtype=np.int64)
    return times, trajectory.sample(stamps, np.asarray(waypoints, float), times, pose=False)


def circle(count):
    angle = np.arange(count) * 0.2
    return np.stack([0.1 * np.cos(angle), 0.1 * np.sin(angle)], axis=1)


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(1, 19), min_size=1, max_size=12), st.integers(0, 1))
def test_a_plan_that_goes_on_as_it_was_has_the_ratio_one(seams, odd):
    times, commands = played(circle(42))
    # Every second waypoint lies between two ticks, and is compared with those that do so, too.
    instants = [((2 * s + odd) * STEP,) for s in seams]
    found = roughness(times, commands, instants, range(STEP, 40 * STEP, STEP))
    assert found.ratio == pytest.approx(1, abs=1e-3)
    assert found.raw_ratio > 1.3


def test_on_a_grid_of_ticks_it_is_one_exactly():
    times = np.arange(100, dtype=np.int64) * TICK
    angle = np.arange(100) * 0.03
    commands = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = roughness(times, commands, [(20 * TICK,), (60 * TICK,)], [10 * TICK, 40 * TICK])
    assert found.ratio == pytest.approx(1)
    assert found.raw_ratio == pytest.approx(1)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.01, 0.05))
def test_a_jump_at_a_seam_raises_the_ratio(jump):
    waypoints = circle(41)
    waypoints[20:] += jump
    times, commands = played(waypoints)
    found = roughness(times, commands, [(20 * STEP,)], range(0, 40 * STEP, STEP))
    assert found.ratio > 1.5
    elsewhere = roughness(times, commands, [(30 * STEP,)], range(0, 40 * STEP, STEP))
    assert elsewhere.ratio < 1.2


def test_of_two_instants_the_harsher_one_counts():
    waypoints = circle(41)
    waypoints[20:] += 0.02
    times, commands = played(waypoints)
    grid = range(0, 40 * STEP, STEP)
    alone = roughness(times, commands, [(20 * STEP,)], grid)
    both = roughness(times, commands, [(10 * STEP, 20 * STEP)], grid)
    assert both.seams == alone.seams
    assert both.near.count > alone.near.count


def test_accelerations_are_in_units_per_second_squared():
    times = np.arange(50, dtype=np.int64) * TICK
    commands = 0.5 * 3.0 * (times[:, None] * 1e-9) ** 2
    assert roughness(times, commands, [], []).interior == pytest.approx(3.0)


def test_episodes_add_up_and_nothing_has_no_ratio():
    one = Roughness(seams=Squares(8.0, 2), waypoints=Squares(4.0, 4))
    total = one + Roughness(seams=Squares(0.0, 2))
    assert total.seams.root_mean == pytest.approx(2**0.5)
    assert np.isnan(Roughness().ratio)
    short = roughness(np.arange(2, dtype=np.int64), np.zeros((2, 3)), [], [])
    assert short == Roughness()
