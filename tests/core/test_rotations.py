"""Rotations against scipy, and the axioms of the group."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from dp_ros.core import rotations

few = settings(max_examples=60, deadline=None)


def unit(values):
    return np.array(values) / np.linalg.norm(values)


quaternions = (
    st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1).map(unit)
)
vectors = st.tuples(*[st.floats(-1.8, 1.8)] * 3).map(np.array)  # shorter than pi
fractions = st.floats(0, 1)


def same_rotation(first, second, tolerance=1e-9):
    """Equal up to sign: q and -q are one rotation."""
    return np.allclose(np.abs(np.sum(first * second, axis=-1)), 1, atol=tolerance, rtol=0)


@given(vectors)
@example(np.zeros(3))
@example(np.array([1e-12, 0, 0]))
@example(np.array([5e-324, 0, 0]))
@few
def test_rotation_vector_and_quaternion_are_those_of_scipy(vector):
    quaternion = rotations.quaternion_from_rotation_vector(vector)
    np.testing.assert_allclose(
        quaternion, Rotation.from_rotvec(vector).as_quat(canonical=True), atol=1e-14
    )
    assert quaternion[3] >= 0
    np.testing.assert_allclose(
        rotations.rotation_vector_from_quaternion(quaternion), vector, atol=1e-12, rtol=1e-9
    )


@given(quaternions)
@example(np.array([0.0, 0, 0, 1]))
@example(np.array([0.0, 0, 0, -1]))
@example(np.array([1.0, 0, 0, 0]))
@example(np.array([1e-10, 0, 0, -1]))
@few
def test_the_rotation_vector_is_the_shortest_whatever_the_sign(quaternion):
    vector = rotations.rotation_vector_from_quaternion(quaternion)
    assert np.linalg.norm(vector) <= np.pi + 1e-12
    np.testing.assert_allclose(
        np.linalg.norm(vector), Rotation.from_quat(quaternion).magnitude(), atol=1e-7
    )
    back = rotations.quaternion_from_rotation_vector(vector)
    assert same_rotation(back, quaternion)
    if abs(quaternion[3]) > 1e-9:
        np.testing.assert_array_equal(
            vector, rotations.rotation_vector_from_quaternion(-quaternion)
        )


@given(quaternions, quaternions, quaternions)
@few
def test_quaternions_are_a_group_and_its_product_is_that_of_scipy(a, b, c):
    product = rotations.quaternion_multiply
    one = np.array([0.0, 0, 0, 1])
    np.testing.assert_allclose(product(product(a, b), c), product(a, product(b, c)), atol=1e-14)
    np.testing.assert_array_equal(product(a, one), a)
    np.testing.assert_array_equal(product(one, a), a)
    np.testing.assert_allclose(product(a, rotations.quaternion_inverse(a)), one, atol=1e-15)
    assert np.linalg.norm(product(a, b)) == pytest.approx(1, abs=1e-14)
    expected = (Rotation.from_quat(a) * Rotation.from_quat(b)).as_quat()
    assert same_rotation(product(a, b), expected, 1e-13)


@given(quaternions, quaternions)
@few
def test_matrices_are_those_of_scipy_and_multiply_alike(a, b):
    matrix = rotations.matrix_from_quaternion(a)
    np.testing.assert_allclose(matrix, Rotation.from_quat(a).as_matrix(), atol=1e-14)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(matrix) == pytest.approx(1, abs=1e-13)
    np.testing.assert_allclose(
        rotations.matrix_from_quaternion(rotations.quaternion_multiply(a, b)),
        matrix @ rotations.matrix_from_quaternion(b),
        atol=1e-14,
    )


@given(quaternions)
@example(np.array([1.0, 0, 0, 0]))
@example(np.array([0.0, 1, 0, 0]))
@example(np.array([0.0, 0, 1, 0]))
@example(np.array([0.0, 0, 0, 1]))
@example(unit([1, 1, 0, 1e-9]))
@few
def test_a_matrix_and_the_6d_form_lead_back_to_the_quaternion(quaternion):
    matrix = rotations.matrix_from_quaternion(quaternion)
    assert same_rotation(rotations.quaternion_from_matrix(matrix), quaternion, 1e-13)
    six = rotations.six_from_quaternion(quaternion)
    np.testing.assert_array_equal(six, np.concatenate([matrix[:, 0], matrix[:, 1]]))
    assert same_rotation(rotations.quaternion_from_six(six), quaternion, 1e-13)


@given(
    quaternions,
    st.floats(0.1, 10),
    st.floats(0.1, 10),
    st.floats(-3, 3),
)
@few
def test_gram_schmidt_takes_scale_and_skew_out_of_the_6d_form(quaternion, long, wide, skew):
    first, second = np.split(rotations.six_from_quaternion(quaternion), 2)
    distorted = np.concatenate([long * first, wide * second + skew * first])
    assert same_rotation(rotations.quaternion_from_six(distorted), quaternion, 1e-9)


@given(quaternions, quaternions, fractions)
@few
def test_slerp_is_scipys_along_the_shorter_arc(start, end, fraction):
    angle = (Rotation.from_quat(start).inv() * Rotation.from_quat(end)).magnitude()
    result = rotations.slerp(start, end, fraction)
    assert np.linalg.norm(result) == pytest.approx(1, abs=1e-14)
    part = (Rotation.from_quat(start).inv() * Rotation.from_quat(result)).magnitude()
    assert part == pytest.approx(fraction * angle, abs=1e-6)
    if angle < np.pi - 1e-3:  # at half a turn both arcs are the shorter one
        expected = Slerp([0, 1], Rotation.from_quat([start, end]))(fraction).as_quat()
        assert same_rotation(result, expected, 1e-12)
        assert same_rotation(rotations.slerp(start, -end, fraction), expected, 1e-12)


@given(quaternions, quaternions)
@few
def test_slerp_starts_and_ends_where_it_should(start, end):
    assert same_rotation(rotations.slerp(start, end, 0.0), start, 1e-14)
    assert same_rotation(rotations.slerp(start, end, 1.0), end, 1e-13)
    assert same_rotation(rotations.slerp(start, start, 0.3), start, 1e-14)


@given(st.floats(-np.pi, np.pi), st.floats(-1.5, 1.5), st.floats(-np.pi, np.pi))
@few
def test_yaw_is_the_first_of_scipys_zyx_angles(yaw, pitch, roll):
    quaternion = Rotation.from_euler('ZYX', [yaw, pitch, roll]).as_quat()
    difference = rotations.yaw_from_quaternion(quaternion) - yaw
    assert np.sin(difference / 2) == pytest.approx(0, abs=1e-9)


def test_leading_axes_are_kept():
    rng = np.random.default_rng(0)
    many = Rotation.random(12, random_state=1).as_quat().reshape(3, 4, 4)
    fraction = rng.random((3, 4))
    for function in (
        rotations.rotation_vector_from_quaternion,
        rotations.quaternion_inverse,
        rotations.matrix_from_quaternion,
        rotations.six_from_quaternion,
        rotations.yaw_from_quaternion,
        lambda q: rotations.quaternion_from_matrix(rotations.matrix_from_quaternion(q)),
        lambda q: rotations.quaternion_from_six(rotations.six_from_quaternion(q)),
        lambda q: rotations.quaternion_multiply(q, [0.5, 0.5, -0.5, 0.5]),
    ):
        rows = np.array([[function(q) for q in row] for row in many])
        np.testing.assert_allclose(function(many), rows, atol=1e-15)
    rows = [rotations.slerp(q, many[0, 0], f) for q, f in zip(many[1], fraction[1], strict=True)]
    np.testing.assert_allclose(rotations.slerp(many[1], many[0, 0], fraction[1]), rows, atol=1e-15)


def test_a_zero_axis_is_refused():
    with pytest.raises(ValueError, match='length zero'):
        rotations.matrix_from_quaternion(np.zeros(4))
    with pytest.raises(ValueError, match='length zero'):
        rotations.quaternion_from_six([1, 0, 0, 2, 0, 0])


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ([0, 0, 0, 1], True),
        ([[0, 0, 0, 1], [0, 0, 0, -1.0005]], True),
        ([[0, 0, 0, 1], [0, 0, 0, 0]], False),
        ([0, 0, 0, 1.002], False),
        ([1e200, 1e200, 0, 0], False),
        ([np.nan, 0, 0, 1], False),
    ],
)
def test_unit_length_is_told(values, expected):
    assert rotations.are_units(values) is expected
