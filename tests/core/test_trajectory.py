"""Waypoints to setpoints against numpy.interp and scipy's Slerp."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from dp_ros.core.trajectory import interpolate, sample

few = settings(max_examples=60, deadline=None)
BASE_NS = 1_700_000_000_000_000_000  # as of today: float64 would round it to 256 ns


@st.composite
def series(draw, pose):
    """Rising stamps, values (k, n) and times in and around them."""
    gaps = draw(st.lists(st.integers(1, 200_000_000), min_size=1, max_size=8))
    stamps = BASE_NS + np.cumsum(np.array(gaps, dtype=np.int64))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.uniform(-3, 3, (len(stamps), 3 if pose else draw(st.integers(1, 7))))
    if pose:
        quaternions = Rotation.random(len(stamps), random_state=rng).as_quat()
        values = np.concatenate([values, quaternions], axis=1)
    inside = st.integers(int(stamps[0]) - 50_000_000, int(stamps[-1]) + 50_000_000)
    times = draw(st.lists(inside | st.sampled_from(stamps.tolist()), min_size=1, max_size=8))
    return stamps, values, np.array(times, dtype=np.int64)


@given(series(pose=False))
@few
def test_vectors_are_interpolated_as_numpy_does(data):
    stamps, values, times = data
    result = sample(stamps, values, times, pose=False)
    for column, expected in zip(result.T, values.T, strict=True):
        # Relative to the first stamp, where float64 still holds single nanoseconds.
        np.testing.assert_allclose(
            column, np.interp(times - stamps[0], stamps - stamps[0], expected), atol=1e-9
        )


@given(series(pose=True))
@few
def test_poses_are_interpolated_as_scipy_does(data):
    stamps, values, times = data
    result = sample(stamps, values, times, pose=True)
    assert result.shape == (len(times), 7)
    held = np.clip(times, stamps[0], stamps[-1]) - stamps[0]
    for axis in range(3):
        np.testing.assert_allclose(
            result[:, axis], np.interp(held, stamps - stamps[0], values[:, axis]), atol=1e-9
        )
    quaternions = Rotation.from_quat(values[:, 3:])
    if len(stamps) > 1:
        expected = Slerp(stamps - stamps[0], quaternions)(held)
        difference = Rotation.from_quat(result[:, 3:]).inv() * expected
        # Where two neighbours lie half a turn apart, which arc is shorter is left to rounding.
        if (quaternions[:-1].inv() * quaternions[1:]).magnitude().max() < np.pi - 1e-3:
            assert difference.magnitude().max() < 1e-6
    np.testing.assert_allclose(np.linalg.norm(result[:, 3:], axis=1), 1, atol=1e-12)


@pytest.mark.parametrize('pose', [False, True])
def test_sample_is_interpolate_between_the_neighbours_to_the_bit(pose):
    @given(series(pose))
    @few
    def check(data):
        stamps, values, times = data
        for time, row in zip(times, sample(stamps, values, times, pose), strict=True):
            hits = np.flatnonzero(stamps == time)
            after = int(np.searchsorted(stamps, time))
            if len(hits):
                expected = values[hits[0]]
            elif after in (0, len(stamps)):
                expected = values[min(after, len(stamps) - 1)]
            else:
                fraction = int(time - stamps[after - 1]) / int(stamps[after] - stamps[after - 1])
                expected = interpolate(values[after - 1], values[after], fraction, pose)
            assert row.tobytes() == expected.tobytes()

    check()


@given(series(pose=True))
@few
def test_what_lies_outside_the_neighbours_plays_no_part(data):
    """The buffer may have dropped older samples: the window must not show it."""
    stamps, values, times = data
    whole = sample(stamps, values, times, pose=True)
    for time, row in zip(times, whole, strict=True):
        if stamps[0] <= time <= stamps[-1]:
            first = max(int(np.searchsorted(stamps, time, side='right')) - 1, 0)
            last = int(np.searchsorted(stamps, time)) + 1
            part = sample(stamps[first:last], values[first:last], np.array([time]), pose=True)
            assert part[0].tobytes() == row.tobytes()


def test_the_ends_are_held():
    stamps = np.array([10, 20], dtype=np.int64)
    result = sample(stamps, np.array([[1.0], [2.0]]), np.array([-5, 10, 15, 20, 900]), pose=False)
    assert result.ravel().tolist() == [1.0, 1.0, 1.5, 2.0, 2.0]
