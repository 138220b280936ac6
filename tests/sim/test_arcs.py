import numpy as np
import pytest

from dp_ros.sim import arcs
from dp_ros.sim.arcs import Arcs


def test_the_upper_arc_passes_the_points_of_the_example():
    upper = arcs.arc(upper=True)
    known = [(0, 500), (12, 512), (25, 524), (38, 535), (188, 634), (200, 640), (212, 646)]
    for x, y in known:
        assert np.abs(upper - (x, y)).max(axis=1).min() <= 1.0


@pytest.mark.parametrize(('upper', 'centre'), [(True, (500, 0)), (False, (500, 1000))])
def test_each_arc_lies_on_its_circle_from_start_to_goal(upper, centre):
    path = arcs.arc(upper)
    assert len(path) == 81
    radii = np.linalg.norm(path - centre, axis=1)
    np.testing.assert_allclose(radii, 500 * np.sqrt(2))
    np.testing.assert_allclose(path[[0, -1]], [arcs.START, arcs.GOAL], atol=1e-9)


def test_an_action_is_the_state_three_steps_on():
    for episode in arcs.demonstrations(5, seed=0):
        np.testing.assert_array_equal(episode.action[:-3], episode.state[3:])
        np.testing.assert_array_equal(episode.action[-3:], np.repeat(episode.state[-1:], 3, 0))


def test_demonstrations_take_either_arc_and_repeat_with_the_seed():
    first, again = (list(arcs.demonstrations(60, seed=4)) for _ in range(2))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.state, two.state)
    up = sum(e.state[40, 1] > 500 for e in first)
    assert 15 < up < 45
    for episode in first:
        nearest = arcs.arc(bool(episode.state[40, 1] > 500))
        assert np.abs(episode.state - nearest).max() < 6 * arcs.DEVIATION


@pytest.mark.parametrize('upper', [True, False])
def test_who_follows_an_arc_arrives(upper):
    environment = Arcs()
    environment.reset(seed=0)
    path = arcs.arc(upper)
    ahead = np.concatenate([path[3:], np.repeat(path[-1:], 20, axis=0)])
    for action in ahead:
        environment.step(action)
        if environment.done:
            break
    assert environment.done
    assert environment.coverage == 1


def test_coverage_is_the_share_of_the_way_and_done_only_at_the_goal():
    environment = Arcs()
    environment.reset(seed=3)
    assert environment.coverage == pytest.approx(0, abs=0.02)
    assert not environment.done
    environment.position = np.array([500.0, 500.0])
    assert environment.coverage == pytest.approx(0.5)
    environment.position = arcs.GOAL - (0, 24.9)
    assert environment.done


def test_starts_repeat_with_the_seed():
    np.testing.assert_array_equal(Arcs().reset(7), Arcs().reset(7))
    assert not np.array_equal(Arcs().reset(7), Arcs().reset(8))
