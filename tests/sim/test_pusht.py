import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon, box
from shapely.affinity import rotate, translate

from dp_ros.sim import pusht

offsets = st.floats(-0.2, 0.2)
# To a nanometre: the oracle is GEOS, too, which fails on edges that all but coincide.
poses = st.tuples(st.floats(0.3, 0.6), st.floats(-0.15, 0.15), st.floats(-np.pi, np.pi)).map(
    lambda pose: np.round(pose, 9)
)


def t_of_boxes(pose):
    """An independent T: two boxes, turned and moved by shapely."""
    bar, stem = box(-0.06, 0, 0.06, 0.03), box(-0.015, 0.03, 0.015, 0.12)
    turned = rotate(bar.union(stem), pose[2], origin=(0, 0), use_radians=True)
    return translate(turned, pose[0], pose[1])


@given(poses)
def test_coverage_and_iou_are_those_of_two_boxes(pose):
    t, goal = t_of_boxes(pose), t_of_boxes(pusht.GOAL_POSE)
    shared = t.intersection(goal).area
    assert pusht.coverage(pose) == pytest.approx(shared / goal.area, abs=1e-9)
    assert pusht.iou(pose) == pytest.approx(shared / t.union(goal).area, abs=1e-9)


@given(poses)
def test_outline_is_the_t(pose):
    assert Polygon(pusht.block_outline(pose)).symmetric_difference(t_of_boxes(pose)).area < 1e-9


@given(offsets, offsets)
def test_pixels_and_metres_are_inverse(x, y):
    point = np.array([x, y])
    np.testing.assert_allclose(pusht.to_metres(pusht.to_pixels(point)), point, atol=1e-12)


def test_goal_and_square_are_gyms():
    np.testing.assert_allclose(pusht.GOAL_POSE, [0.46, 0, np.pi / 4])
    np.testing.assert_allclose(pusht.SQUARE_LOW, [0.204, -0.256])
    np.testing.assert_allclose(pusht.SQUARE_HIGH, [0.716, 0.256])
    assert pusht.coverage(pusht.GOAL_POSE) == pytest.approx(1)


def test_starts_are_in_range_clear_of_the_t_and_unsolved():
    rng = np.random.default_rng(0)
    for _ in range(200):
        start = pusht.sample_start(rng)
        assert np.all(pusht.to_pixels(start.tip) >= 50)
        assert np.all(pusht.to_pixels(start.tip) <= 450)
        assert np.all(np.abs(pusht.to_pixels(start.block[:2]) - 250) <= 150)
        assert pusht.tip_gap(start.tip, start.block) > 0
        assert pusht.coverage(start.block) < pusht.SUCCESS_COVERAGE


def test_starts_repeat_with_the_generator():
    first, second = (pusht.sample_start(np.random.default_rng(3)) for _ in range(2))
    assert first == second
