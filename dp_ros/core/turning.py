"""Turning as three axes: the rotation vector that leads from an anchor to the present rotation.

With phi (3,) the rotation is exp(phi) * anchor, in the base frame, the angular velocity
omega = J(phi) phi' and the angular acceleration J(phi) phi'' + J'(phi) phi', where J is the left
Jacobian of SO(3) (Barfoot 2017, "State Estimation for Robotics", section 7.1). |omega| is at most
|phi'|, and the last term at most |phi'|^2 / 2. At the anchor itself both are phi' and phi''.
"""

import math

import numpy as np

from dp_ros.core import rotations
from dp_ros.core.profile import State
from dp_ros.core.stamped import Array


def between(anchor: Array, quaternion: Array) -> Array:
    """Shortest rotation vector (3,) [rad], base frame, from `anchor` (4,) to `quaternion` (4,)."""
    inverse = rotations.quaternion_inverse(anchor)
    return rotations.rotation_vector_from_quaternion(
        rotations.quaternion_multiply(quaternion, inverse)
    )


def turned(anchor: Array, vectors: Array) -> Array:
    """Unit quaternions (..., 4) that lie `vectors` (..., 3) away from `anchor` (4,)."""
    turns = rotations.quaternion_from_rotation_vector(vectors)
    quaternions = rotations.quaternion_multiply(turns, anchor)
    return quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True)


def physical(state: State) -> tuple[Array, Array]:
    """Angular velocity and acceleration (3,), base frame, of a state of rotation vectors."""
    jacobian, bias = _jacobian(state.position, state.velocity)
    return jacobian @ state.velocity, jacobian @ state.acceleration + bias


def seen_from(anchor: Array, quaternion: Array, omega: Array, alpha: Array) -> State:
    """The state of rotation vectors from `anchor` of a rotation (4,) that turns; as `physical`."""
    vector = between(anchor, quaternion)
    jacobian, _ = _jacobian(vector, omega)
    velocity = np.asarray(np.linalg.solve(jacobian, omega), dtype=float)
    _, bias = _jacobian(vector, velocity)
    acceleration = np.linalg.solve(jacobian, alpha - bias)
    return State(vector, velocity, np.asarray(acceleration, dtype=float))


def _jacobian(vector: Array, velocity: Array) -> tuple[Array, Array]:
    """J (3, 3) at a rotation vector, and J' @ velocity (3,)."""
    x, y, z = vector.tolist()
    square = x * x + y * y + z * z
    angle = math.sqrt(square)
    if angle < 1e-2:
        b, c = 1 / 2 - square / 24, 1 / 6 - square / 120
        db, dc = -1 / 12 + square / 180, -1 / 60 + square / 1260
    else:
        sine, rest = math.sin(angle), 1 - math.cos(angle)
        b, c = rest / square, (angle - sine) / (square * angle)
        db = (angle * sine - 2 * rest) / square**2
        dc = (angle * rest - 3 * (angle - sine)) / (square**2 * angle)
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    across = skew @ velocity
    along = float(vector @ velocity)
    jacobian = np.eye(3) + b * skew + c * (skew @ skew)
    bias = along * (db * across + dc * (skew @ across)) + c * np.cross(velocity, across)
    return jacobian, bias
