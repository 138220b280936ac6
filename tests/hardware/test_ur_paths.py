"""Closed-form kinematics of paths against the iterative ones, and ur_analytic_ik behind these."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.hardware.ur_kinematics import UR5eKinematics, quaternion_pose
from dp_ros.hardware.ur_paths import UR5ePaths

TOOLS = [(0.0, 0.0, 0.16, 0.0, 0.0, 0.0), (0.1, -0.02, 0.16, 0.3, -0.5, 0.2)]
joints = st.tuples(*[st.floats(-3.0, 3.0)] * 6).map(np.array)


@pytest.mark.parametrize('tool', TOOLS)
def test_all_of_it_equals_the_kinematics_of_one_pose(tool):
    paths, single = UR5ePaths(tool), UR5eKinematics(tool)

    @given(st.lists(joints, min_size=1, max_size=4).map(np.array))
    @settings(max_examples=60, deadline=None)
    def check(rows):
        poses = np.array([quaternion_pose(single.forward(row)) for row in rows])
        np.testing.assert_allclose(paths.positions(rows), poses[:, :3], atol=1e-12)
        values = [np.linalg.svd(single.jacobian(row), compute_uv=False) for row in rows]
        np.testing.assert_allclose(paths.manipulability(rows), np.prod(values, axis=1), atol=1e-12)
        np.testing.assert_array_equal(paths.jacobian(rows[0]), single.jacobian(rows[0]))

    check()


@pytest.mark.parametrize('tool', TOOLS)
def test_inverse_finds_the_joints_again_in_the_configuration_of_the_seed(tool):
    paths, single = UR5ePaths(tool), UR5eKinematics(tool)

    @given(joints, st.integers(0, 2**32 - 1))
    @settings(max_examples=100, deadline=None)
    def check(row, seed):
        if paths.manipulability(row[None])[0] < 1e-3:
            return  # a singularity, where configurations meet
        near = row + np.random.default_rng(seed).normal(0, 1e-3, 6)
        found = paths.inverse(quaternion_pose(single.forward(row))[None], near)
        np.testing.assert_allclose(found[0], row, atol=1e-8)
        turned = paths.inverse(quaternion_pose(single.forward(row))[None], near + 2 * np.pi)
        np.testing.assert_allclose(turned[0], row + 2 * np.pi, atol=1e-8)

    check()


@pytest.mark.parametrize('position', [(2.0, 0.0, 0.2), (0.0, 0.0, 0.3)], ids=['far', 'inside'])
def test_what_is_out_of_reach_has_no_joints(position):
    home = np.array([2.8, -1.7, 2.0, -1.9, -1.6, -1.9])
    reachable = (0.45, 0.0, 0.2)
    poses = np.array([[*place, 1.0, 0.0, 0.0, 0.0] for place in (reachable, position)])
    assert UR5ePaths(TOOLS[0]).inverse(poses[:1], home) is not None
    assert UR5ePaths(TOOLS[0]).inverse(poses, home) is None
