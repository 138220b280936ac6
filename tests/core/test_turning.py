"""Rotation vectors that move, against scipy and differences."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dp_ros.core import turning
from dp_ros.core.profile import State

STEP_S = 1e-4
seeds, angles = st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-5, 0.005, 0.02, 0.5, 2.5])


def drawn(seed, angle):
    rng = np.random.default_rng(seed)
    direction, velocity, acceleration = rng.normal(0, 1, (3, 3))
    return State(direction / np.linalg.norm(direction) * angle, velocity, acceleration)


@given(seeds, angles)
@settings(max_examples=60, deadline=None)
def test_angular_velocity_and_acceleration_are_those_of_the_rotation(seed, angle):
    state = drawn(seed, angle)

    def rotation(t):
        way = state.velocity * t + state.acceleration * t * t / 2
        return Rotation.from_rotvec(state.position + way)

    def spin(t):
        return (rotation(t + STEP_S) * rotation(t - STEP_S).inv()).as_rotvec() / (2 * STEP_S)

    omega, alpha = turning.physical(state)
    np.testing.assert_allclose(omega, spin(0), atol=1e-6)
    np.testing.assert_allclose(alpha, (spin(STEP_S) - spin(-STEP_S)) / (2 * STEP_S), atol=1e-5)
    speed = np.linalg.norm(state.velocity)
    assert np.linalg.norm(omega) <= speed * (1 + 1e-12)
    assert np.linalg.norm(alpha) <= np.linalg.norm(state.acceleration) + speed**2 / 2 + 1e-9


@given(seeds, angles)
@settings(max_examples=60, deadline=None)
def test_a_state_seen_from_its_anchor_is_the_state(seed, angle):
    state = drawn(seed, angle)
    anchor = Rotation.random(random_state=seed % 1000).as_quat()
    quaternion = turning.turned(anchor, state.position)
    again = turning.seen_from(anchor, quaternion, *turning.physical(state))
    for name in ('position', 'velocity', 'acceleration'):
        np.testing.assert_allclose(getattr(again, name), getattr(state, name), atol=1e-9)
