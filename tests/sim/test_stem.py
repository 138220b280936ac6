"""The fork before the T's stem: symmetric, and each way read for what it is."""

import numpy as np
import pytest

from dp_ros.sim import pusht, stem
from dp_ros.sim.gym_pusht import GOAL_POSE
from dp_ros.sim.stem import START, BeforeTheStem, read


def rollout(across, along, moved_at=None):
    """States of an agent on these points, seen from the block; the block moves at one of them."""
    turn = np.array([[np.cos(START[4]), np.sin(START[4])], [-np.sin(START[4]), np.cos(START[4])]])
    points = np.column_stack([across, along]) @ turn + START[2:4]
    states = np.column_stack([points, np.tile(START[2:], (len(points), 1))])
    if moved_at is not None:
        states[moved_at:, 2:4] += 5
    return states


def test_goal_block_and_agent_lie_on_the_line_of_symmetry():
    # Mirroring at the goal's own axis swaps x and y of the square, reversed: (x, y) -> (W-y, W-x).
    for point in (START[:2], START[2:4], GOAL_POSE[:2]):
        assert point == pytest.approx(pusht.SQUARE_PX - point[::-1])
    assert np.all((START[:4] > 30) & (START[:4] < pusht.SQUARE_PX - 30))


def test_every_episode_starts_there_untouched():
    world = BeforeTheStem()
    first, second = world.reset(1), world.reset(2)
    np.testing.assert_allclose(first, START, atol=1e-4)
    np.testing.assert_array_equal(first, second)
    world.step(START[:2])
    np.testing.assert_allclose(world.states[-1], START, atol=1e-4)
    assert len(world.states) == 2


def test_placing_the_block_on_the_goal_covers_it():
    world = BeforeTheStem()
    world.place(np.array([50, 50, *GOAL_POSE]))
    assert world.coverage == pytest.approx(1)
    # Shifted along the bar: what is left of bar and stem, from their sizes.
    world.place(np.array([50, 50, *(GOAL_POSE[:2] + 10 * np.array([0.5, 0.5]) ** 0.5), np.pi / 4]))
    assert world.coverage == pytest.approx((110 * 30 + 20 * 90) / (120 * 30 + 30 * 90), abs=1e-3)


DOWN = np.linspace(stem.AGENT_ALONG, 0, 12)


@pytest.mark.parametrize('sign', [1, -1])
def test_ways_round_the_t_are_told_apart(sign):
    side = 'right' if sign > 0 else 'left'
    way = read(rollout(sign * np.linspace(0, 90, 12), DOWN))
    assert (way.side, way.switches) == (side, 0)
    np.testing.assert_allclose(way.points[:, 1], DOWN, atol=1e-9)
    # One that begins on the other side has changed its mind once; beside the T it may do as it
    # likes.
    changed = sign * np.array([0, -20, -25, -20, 0, 20, 25, 40, 80, 80, -80, -80.0])
    way = read(rollout(changed, DOWN))
    assert (way.side, way.switches) == (side, 1)


def test_pushing_the_end_is_straight_and_standing_still_undecided():
    assert read(rollout(np.zeros(12), DOWN, moved_at=5)).side == 'straight'
    assert read(rollout(np.zeros(12), np.full(12, 200.0))).side == 'undecided'
    # Grazing the stem in passing is not pushing its end.
    assert read(rollout(np.linspace(0, 60, 12), DOWN, moved_at=5)).side == 'right'
