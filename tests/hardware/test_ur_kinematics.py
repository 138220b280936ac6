"""UR5e kinematics against ur_analytic_ik, scipy and finite differences."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from ur_analytic_ik import ur5e

from dp_ros.hardware.ur_kinematics import (
    UR5eKinematics,
    matrix_from_rotation_vector,
    quaternion_pose,
    rotation_vector_from_matrix,
    rotation_vector_pose,
    within_limits,
)

TOOL = (0.1, -0.02, 0.16, 0.3, -0.5, 0.2)
READY = (0.0, -1.8, -2.0, -0.9, 1.57, 0.0)

joints = st.tuples(*[st.floats(-3.0, 3.0)] * 6)
vectors = st.tuples(*[st.floats(-1.7, 1.7)] * 3)


@given(joints)
@settings(max_examples=100, deadline=None)
def test_forward_equals_the_analytic_library(q):
    expected = ur5e.forward_kinematics(*q)
    pose = UR5eKinematics().forward(q)
    assert np.allclose(pose[:3], expected[:3, 3], atol=1e-12)
    assert np.allclose(Rotation.from_rotvec(pose[3:]).as_matrix(), expected[:3, :3], atol=1e-9)


@given(joints)
@settings(max_examples=50, deadline=None)
def test_the_tool_is_placed_in_the_flange_frame(q):
    flange = ur5e.forward_kinematics(*q)
    tool = np.eye(4)
    tool[:3, :3] = Rotation.from_rotvec(TOOL[3:]).as_matrix()
    tool[:3, 3] = TOOL[:3]
    pose = UR5eKinematics(TOOL).forward(q)
    assert np.allclose(pose[:3], (flange @ tool)[:3, 3], atol=1e-12)
    assert np.allclose(
        Rotation.from_rotvec(pose[3:]).as_matrix(), (flange @ tool)[:3, :3], atol=1e-9
    )


@given(joints)
@settings(max_examples=50, deadline=None)
def test_jacobian_is_the_derivative_of_forward(q):
    kinematics = UR5eKinematics(TOOL)
    step = 1e-6
    numeric = np.empty((6, 6))
    for joint, direction in enumerate(np.eye(6) * step):
        before = kinematics.forward(q - direction)
        after = kinematics.forward(q + direction)
        numeric[:3, joint] = np.subtract(after[:3], before[:3]) / (2 * step)
        turn = Rotation.from_rotvec(after[3:]) * Rotation.from_rotvec(before[3:]).inv()
        numeric[3:, joint] = turn.as_rotvec() / (2 * step)
    assert np.allclose(kinematics.jacobian(q), numeric, atol=1e-6)


@given(st.tuples(*[st.floats(-0.3, 0.3)] * 6), st.tuples(*[st.floats(-0.3, 0.3)] * 6))
@settings(max_examples=100, deadline=None)
def test_inverse_finds_its_way_back_from_a_seed_nearby(offset, away):
    kinematics = UR5eKinematics((0, 0, 0.16, 0, 0, 0))
    q = np.add(READY, offset)
    pose = kinematics.forward(q)
    found = kinematics.inverse(pose, q + away)
    assert found is not None
    reached = kinematics.forward(found)
    assert np.allclose(reached[:3], pose[:3], atol=2e-6)
    turn = Rotation.from_rotvec(reached[3:]).inv() * Rotation.from_rotvec(pose[3:])
    assert turn.magnitude() < 2e-6


def test_inverse_stays_on_the_branch_of_its_seed():
    kinematics = UR5eKinematics()
    found = kinematics.inverse(kinematics.forward(READY), np.add(READY, 0.05))
    assert np.allclose(found, READY, atol=1e-4)


@pytest.mark.parametrize(
    'pose',
    [
        (2.0, 0.0, 0.3, 0.0, math.pi, 0.0),
        (math.nan, 0.0, 0.3, 0.0, math.pi, 0.0),
        (0.4, 0.0, 0.3, 0.0, math.nan, 0.0),
        (math.inf, 0.0, 0.3, 0.0, math.pi, 0.0),
    ],
)
def test_inverse_of_what_cannot_be_reached_is_none(pose):
    assert UR5eKinematics().inverse(pose, READY) is None


def test_inverse_refuses_a_solution_past_a_joint_limit():
    kinematics = UR5eKinematics()
    past = (2 * math.pi + 0.1, *READY[1:])
    assert not within_limits(past)
    assert kinematics.inverse(kinematics.forward(past), past) is None
    assert kinematics.inverse(kinematics.forward(READY), READY) is not None


@given(vectors)
def test_rotation_vectors_survive_the_matrix(vector):
    matrix = matrix_from_rotation_vector(vector)
    assert np.allclose(matrix, Rotation.from_rotvec(vector).as_matrix().ravel(), atol=1e-12)
    back = rotation_vector_from_matrix(matrix)
    assert (Rotation.from_rotvec(back).inv() * Rotation.from_rotvec(vector)).magnitude() < 1e-7


@pytest.mark.parametrize(
    'axis', [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.6, -0.8, 0), (-0.6, 0, -0.8)]
)
@pytest.mark.parametrize('angle', [math.pi, math.pi - 1e-9, math.pi - 1e-4, 1e-9, 1e-13])
def test_rotation_vectors_survive_the_matrix_where_logarithms_fail(axis, angle):
    vector = np.multiply(axis, angle)
    back = rotation_vector_from_matrix(matrix_from_rotation_vector(vector))
    same = np.allclose(back, vector, atol=1e-9)
    # At pi the axis and its opposite mean the same rotation.
    assert same or (math.pi - angle < 1e-6 and np.allclose(back, -vector, atol=1e-7))


@given(vectors)
def test_pose_forms_convert_back_and_forth(vector):
    pose = (0.1, 0.2, 0.3, *vector)
    assert np.allclose(rotation_vector_pose(quaternion_pose(pose)), pose, atol=1e-9)
