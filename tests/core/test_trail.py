"""The trail of the arm, and the way back along it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.core import rotations
from dp_ros.core.trail import DWELL_NS, Trail

MS = 1_000_000
TURN = np.array([0.0, 0.0, 0.0, 1.0])


def pose(x, y=0.0, angle=0.0):
    turned = rotations.quaternion_from_rotation_vector([0.0, 0.0, angle])
    return np.array([x, y, 0.2, *turned])


def walked(count=100, period_ns=8 * MS, speed=0.1):
    trail = Trail()
    for i in range(count):
        trail = trail.seen(i * period_ns, pose(speed * i * period_ns / 1e9))
    return trail


def test_it_remembers_half_a_second_and_the_oldest_is_the_last_safe_pose():
    trail = walked(count=100)
    newest, oldest = trail.stamps_ns[-1], trail.stamps_ns[0]
    assert 500 * MS <= newest - oldest <= 600 * MS
    assert trail.points[0][0] == pytest.approx(0.1 * oldest / 1e9)
    assert len(trail.points) <= 12
    few = walked(count=10)
    assert few.stamps_ns[0] == 0


def test_a_place_that_is_none_is_not_remembered():
    trail = Trail().seen(0, pose(0.1))
    assert trail.seen(60 * MS, pose(np.nan)) is trail


def test_after_time_was_set_back_nothing_from_before_is_remembered():
    """Otherwise it would remember nothing new until that time, and lead back to an old place."""
    trail = walked()
    for i in range(5):
        trail = trail.seen(i * 60 * MS - 30_000 * MS, pose(0.5))
    assert len(trail.points) == 5
    assert all(point[0] == 0.5 for point in trail.points)


def test_without_a_trail_or_a_distance_there_is_no_way():
    assert Trail().way_back(pose(0.0), 0, 0.05, 0.2) is None
    assert Trail().seen(0, pose(0.0)).way_back(pose(0.0), 100 * MS, 0.05, 0.2) is None


def test_the_way_back_never_leads_ahead():
    """An arm that stopped again half of the way back does not return to the first stop."""
    trail = walked()
    half = 0.5 * (trail.points[0] + trail.points[-1])
    half[3:] = TURN
    way = trail.way_back(half, 0, 0.05, 0.2)
    assert (np.diff(way.waypoints[:, 0]) <= 0.1 * 0.05 + 1e-9).all()
    assert way.waypoints[:, 0].max() <= half[0] + 0.1 * 0.05
    np.testing.assert_array_equal(way.waypoints[-1], trail.points[0])


def test_the_way_back_of_joints_keeps_the_angular_speed():
    trail = Trail()
    for i in range(12):
        trail = trail.seen(i * 50 * MS, np.full(6, 0.1 * i))
    way = trail.way_back(np.full(6, 1.2), 0, 0.05, 0.2)
    seconds = np.diff(way.stamps_ns[:-1]) / 1e9
    assert (np.abs(np.diff(way.waypoints[:-1], axis=0)).max(axis=1) <= 0.2 * seconds + 1e-9).all()


coordinates = st.floats(-0.5, 0.5)


@given(
    st.lists(st.tuples(coordinates, coordinates, st.floats(-3, 3)), min_size=1, max_size=12),
    st.tuples(coordinates, coordinates, st.floats(-3, 3)),
)
def test_from_anywhere_it_ends_at_the_last_safe_pose_no_faster_than_allowed(points, standing):
    trail = Trail()
    for i, point in enumerate(points):
        trail = trail.seen(i * 50 * MS, pose(*point))
    start = pose(*standing)
    way = trail.way_back(start, 1000 * MS, 0.05, 0.2)
    if way is None:
        assert np.abs(start - trail.points[0]).max() <= 1e-4
        return
    assert way.splice_ns > 1000 * MS
    np.testing.assert_array_equal(way.waypoints[0], start)
    assert np.abs(way.waypoints[-1] - trail.points[0]).max() <= 1e-4
    assert way.stamps_ns[-1] - way.stamps_ns[-2] == DWELL_NS
    seconds = np.diff(way.stamps_ns) / 1e9
    lengths = np.linalg.norm(np.diff(way.waypoints[:, :3], axis=0), axis=1)
    assert (lengths <= 0.05 * seconds + 1e-9).all()
    for before, after, time_s in zip(way.waypoints, way.waypoints[1:], seconds):
        inverse = rotations.quaternion_inverse(before[3:])
        turn = rotations.quaternion_multiply(inverse, after[3:])
        angle = np.linalg.norm(rotations.rotation_vector_from_quaternion(turn))
        assert angle <= 0.2 * time_s + 1e-6
