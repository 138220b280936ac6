"""Rotations as unit quaternions, rotation vectors and the 6D form.

Quaternions are ROS ones, (x, y, z, w). A rotation vector is axis times angle [rad], as a UR
controller writes it. The 6D form is the first two columns of the rotation matrix (Zhou et al.
2019, "On the Continuity of Rotation Representations in Neural Networks"): it is continuous, so
networks regress it. Every function takes arrays of shape (..., n) and keeps the leading axes.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# A sent quaternion is normalised by the arm; one this far from unit length is a mistake.
UNIT_TOLERANCE = 1e-3


def are_units(quaternions: ArrayLike) -> bool:
    """Whether all quaternions (..., 4) are of unit length, but for rounding."""
    with np.errstate(over='ignore'):
        norms = np.linalg.norm(np.asarray(quaternions, dtype=float), axis=-1)
    return bool(np.all(np.abs(norms - 1) <= UNIT_TOLERANCE))


def is_unit(quaternion: Array) -> bool:
    """As `are_units`, of one quaternion (4,), in a tenth of the time."""
    return abs(math.hypot(*quaternion.tolist()) - 1) <= UNIT_TOLERANCE


def quaternion_from_rotation_vector(vector: ArrayLike) -> Array:
    """Rotation vector (..., 3) [rad] -> unit quaternion (..., 4); w >= 0 up to pi."""
    vector = np.asarray(vector, dtype=float)
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    # np.sinc(x) = sin(pi x)/(pi x), which is exact at zero.
    scale = 0.5 * np.sinc(angle / (2 * np.pi))
    return np.concatenate([vector * scale, np.cos(angle / 2)], axis=-1)


def rotation_vector_from_quaternion(quaternion: ArrayLike) -> Array:
    """Unit quaternion (..., 4) -> the shortest rotation vector (..., 3), angle in [0, pi] rad."""
    quaternion = _normalised(quaternion)
    quaternion = np.where(quaternion[..., 3:] < 0, -quaternion, quaternion)
    sine = np.linalg.norm(quaternion[..., :3], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, quaternion[..., 3:])
    small = sine < 1e-9
    scale = np.where(small, 2.0, angle / np.where(small, 1.0, sine))
    return quaternion[..., :3] * scale


def quaternion_multiply(first: ArrayLike, second: ArrayLike) -> Array:
    """Hamilton product (..., 4): the rotation that applies `second`, then `first`."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    x1, y1, z1, w1 = np.moveaxis(first, -1, 0)
    x2, y2, z2, w2 = np.moveaxis(second, -1, 0)
    return np.stack(
        [
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
        ],
        axis=-1,
    )


def quaternion_inverse(quaternion: ArrayLike) -> Array:
    """Inverse of a unit quaternion (..., 4)."""
    return np.asarray(quaternion, dtype=float) * np.array([-1.0, -1.0, -1.0, 1.0])


def matrix_from_quaternion(quaternion: ArrayLike) -> Array:
    """Unit quaternion (..., 4) -> rotation matrix (..., 3, 3)."""
    x, y, z, w = np.moveaxis(_normalised(quaternion), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_from_matrix(matrix: ArrayLike) -> Array:
    """Rotation matrix (..., 3, 3) -> unit quaternion (..., 4).

    The largest of the four components is taken from the diagonal, so that no division by a small
    number occurs (Shepperd 1978).
    """
    m = np.asarray(matrix, dtype=float)
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    # Each row is 4 * component * (x, y, z, w) for the component that the row is named after.
    table = np.stack(
        [
            np.stack(
                [
                    1 + 2 * m[..., 0, 0] - trace,
                    m[..., 0, 1] + m[..., 1, 0],
                    m[..., 0, 2] + m[..., 2, 0],
                    m[..., 2, 1] - m[..., 1, 2],
                ],
                axis=-1,
            ),
            np.stack(
                [
                    m[..., 0, 1] + m[..., 1, 0],
                    1 + 2 * m[..., 1, 1] - trace,
                    m[..., 1, 2] + m[..., 2, 1],
                    m[..., 0, 2] - m[..., 2, 0],
                ],
                axis=-1,
            ),
            np.stack(
                [
                    m[..., 0, 2] + m[..., 2, 0],
                    m[..., 1, 2] + m[..., 2, 1],
                    1 + 2 * m[..., 2, 2] - trace,
                    m[..., 1, 0] - m[..., 0, 1],
                ],
                axis=-1,
            ),
            np.stack(
                [
                    m[..., 2, 1] - m[..., 1, 2],
                    m[..., 0, 2] - m[..., 2, 0],
                    m[..., 1, 0] - m[..., 0, 1],
                    1 + trace,
                ],
                axis=-1,
            ),
        ],
        axis=-2,
    )
    largest = np.argmax(np.diagonal(table, axis1=-2, axis2=-1), axis=-1)
    row = np.take_along_axis(table, largest[..., None, None], axis=-2)[..., 0, :]
    return _normalised(row)


def six_from_quaternion(quaternion: ArrayLike) -> Array:
    """Unit quaternion (..., 4) -> 6D form (..., 6): first column, then second column."""
    matrix = matrix_from_quaternion(quaternion)
    return np.concatenate([matrix[..., :, 0], matrix[..., :, 1]], axis=-1)


def quaternion_from_six(six: ArrayLike) -> Array:
    """6D form (..., 6), made orthonormal, -> unit quaternion (..., 4) by Gram-Schmidt."""
    six = np.asarray(six, dtype=float)
    first = _normalised(six[..., :3])
    second = six[..., 3:] - np.sum(first * six[..., 3:], axis=-1, keepdims=True) * first
    second = _normalised(second)
    third = np.cross(first, second)
    return quaternion_from_matrix(np.stack([first, second, third], axis=-1))


def slerp(start: ArrayLike, end: ArrayLike, fraction: ArrayLike) -> Array:
    """Spherical interpolation of unit quaternions (..., 4) along the shorter arc.

    fraction: (...,) in [0, 1], broadcast against the leading axes.
    """
    start = np.asarray(start, dtype=float)
    difference = quaternion_multiply(quaternion_inverse(start), end)
    vector = rotation_vector_from_quaternion(difference)
    step = quaternion_from_rotation_vector(vector * np.asarray(fraction, dtype=float)[..., None])
    return _normalised(quaternion_multiply(start, step))


def yaw_from_quaternion(quaternion: ArrayLike) -> Array:
    """Heading about z [rad] in (-pi, pi] of a unit quaternion (..., 4)."""
    x, y, z, w = np.moveaxis(_normalised(quaternion), -1, 0)
    return np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def _normalised(vector: ArrayLike) -> Array:
    vector = np.asarray(vector, dtype=float)
    norm = np.linalg.norm(vector, axis=-1, keepdims=True)
    if np.any(norm < 1e-12):
        raise ValueError('a quaternion or axis has length zero; expected a unit vector')
    return vector / norm
