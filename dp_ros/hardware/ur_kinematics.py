"""UR5e kinematics: forward, geometric Jacobian, inverse from a seed.

Standard (distal) DH parameters of ur_description config/ur5e; frame "base". Poses are (6,) as a
UR controller writes them (x y z [m], rotation vector [rad]) or (7,) with a quaternion x y z w.
It runs inside the simulated controller at up to 500 Hz, so the forward part is plain math on
floats: for six joints that is several times faster than small numpy arrays.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dp_ros.core.rotations import (
    quaternion_from_rotation_vector,
    rotation_vector_from_quaternion,
)

Array = NDArray[np.float64]
Rotation = tuple[float, float, float, float, float, float, float, float, float]  # row-major
Vector = tuple[float, float, float]

JOINT_NAMES = (
    'shoulder_pan_joint',
    'shoulder_lift_joint',
    'elbow_joint',
    'wrist_1_joint',
    'wrist_2_joint',
    'wrist_3_joint',
)
# The elbow turns +-2 pi as well, but beyond +-pi the forearm meets the upper arm.
JOINT_LIMITS_RAD = (2 * math.pi, 2 * math.pi, math.pi, 2 * math.pi, 2 * math.pi, 2 * math.pi)
JOINT_SPEED_LIMIT_RAD_S = math.pi

D1, D4, D5, D6 = 0.1625, 0.1333, 0.0997, 0.0996
A2, A3 = -0.425, -0.3922

TOLERANCE_M = 1e-6
TOLERANCE_RAD = 1e-6
# Damping = error^2 + this: large steps are cautious, and convergence at the end is quadratic
# (Sugihara 2011, "Solvability-unconcerned inverse kinematics by the Levenberg-Marquardt method").
DAMPING = 1e-7
# A step that turns a joint further than this has left the region where the Jacobian holds.
STEP_LIMIT_RAD = 0.7


class _Chain(NamedTuple):
    """Base-frame TCP rotation and position, and the axes and origins of the joints 2 to 6."""

    rotation: Rotation
    position: Vector
    lift_axis: Vector  # shared by the joints 2, 3 and 4
    elbow: Vector
    wrist: Vector
    wrist_2_axis: Vector
    wrist_2: Vector
    wrist_3_axis: Vector
    wrist_3: Vector


class UR5eKinematics:
    """Kinematics with a tool. tcp_offset: TCP in the flange frame (6,), as setTcp takes it."""

    def __init__(self, tcp_offset: Sequence[float] = (0.0,) * 6) -> None:
        self.tcp_offset = tuple(float(value) for value in tcp_offset)
        self._tool = matrix_from_rotation_vector(self.tcp_offset[3:])
        self._tool_turns = self.tcp_offset[3:] != (0.0, 0.0, 0.0)

    def forward(self, joints: Sequence[float]) -> tuple[float, ...]:
        """Joints (6,) [rad] -> TCP pose (6,) x y z, rotation vector in the base frame."""
        chain = self._chain(joints)
        return chain.position + rotation_vector_from_matrix(chain.rotation)

    def jacobian(self, joints: Sequence[float]) -> Array:
        """Joints (6,) -> geometric Jacobian (6, 6): TCP speed [m/s, rad/s] = J @ joint speed."""
        return _jacobian(self._chain(joints))

    def inverse(
        self, pose: Sequence[float], seed: Sequence[float], iterations: int = 8
    ) -> tuple[float, ...] | None:
        """TCP pose (6,) -> the joints (6,) [rad] nearest to the seed that reach it.

        Damped least squares (Levenberg-Marquardt) from the seed. None when it has not converged
        to 1 um and 1 urad after that many steps, or when a joint passes its limit.
        """
        joints = tuple(float(joint) for joint in seed)
        target = matrix_from_rotation_vector(pose[3:6])
        px, py, pz = (float(value) for value in pose[:3])
        # "not <" also catches NaN, which compares false with everything.
        if not abs(px) + abs(py) + abs(pz) < 10.0:
            return None
        for _ in range(iterations + 1):
            chain = self._chain(joints)
            x, y, z = chain.position
            ex, ey, ez = px - x, py - y, pz - z
            rx, ry, rz = _rotation_between(chain.rotation, target)
            square_m = ex * ex + ey * ey + ez * ez
            square_rad = rx * rx + ry * ry + rz * rz
            if square_m < TOLERANCE_M**2 and square_rad < TOLERANCE_RAD**2:
                return joints if within_limits(joints) else None
            jacobian = _jacobian(chain)
            normal = jacobian @ jacobian.T
            normal.flat[::7] += square_m + square_rad + DAMPING
            error = np.array((ex, ey, ez, rx, ry, rz))
            step = (np.linalg.solve(normal, error) @ jacobian).tolist()
            scale = min(1.0, STEP_LIMIT_RAD / max(1e-12, max(map(abs, step))))
            joints = tuple(joint + scale * change for joint, change in zip(joints, step))
        return None

    def _chain(self, joints: Sequence[float]) -> _Chain:
        q1, q2, q3, q4, q5, q6 = joints
        s1, c1 = math.sin(q1), math.cos(q1)
        s5, c5 = math.sin(q5), math.cos(q5)
        s6, c6 = math.sin(q6), math.cos(q6)
        s234, c234 = math.sin(q2 + q3 + q4), math.cos(q2 + q3 + q4)
        # The joints 2, 3, 4 are parallel: the arm moves in a vertical plane (radius, height).
        elbow_r, elbow_z = A2 * math.cos(q2), D1 + A2 * math.sin(q2)
        wrist_r = elbow_r + A3 * math.cos(q2 + q3)
        wrist_z = elbow_z + A3 * math.sin(q2 + q3)
        lift = (s1, -c1, 0.0)
        x4 = (c234 * c1, c234 * s1, s234)
        z4 = (s234 * c1, s234 * s1, -c234)
        x5 = (c5 * x4[0] + s5 * s1, c5 * x4[1] - s5 * c1, c5 * x4[2])
        z5 = (-s5 * x4[0] + c5 * s1, -s5 * x4[1] - c5 * c1, -s5 * x4[2])
        wrist = (wrist_r * c1, wrist_r * s1, wrist_z)
        wrist_2 = (wrist[0] + D4 * s1, wrist[1] - D4 * c1, wrist_z)
        wrist_3 = (wrist_2[0] + D5 * z4[0], wrist_2[1] + D5 * z4[1], wrist_2[2] + D5 * z4[2])
        rotation = (
            c6 * x5[0] - s6 * z4[0], -s6 * x5[0] - c6 * z4[0], z5[0],
            c6 * x5[1] - s6 * z4[1], -s6 * x5[1] - c6 * z4[1], z5[1],
            c6 * x5[2] - s6 * z4[2], -s6 * x5[2] - c6 * z4[2], z5[2],
        )  # fmt: skip
        tx, ty, tz = self.tcp_offset[:3]
        tz += D6
        position = (
            wrist_3[0] + rotation[0] * tx + rotation[1] * ty + rotation[2] * tz,
            wrist_3[1] + rotation[3] * tx + rotation[4] * ty + rotation[5] * tz,
            wrist_3[2] + rotation[6] * tx + rotation[7] * ty + rotation[8] * tz,
        )
        if self._tool_turns:
            rotation = matrix_product(rotation, self._tool)
        elbow = (elbow_r * c1, elbow_r * s1, elbow_z)
        return _Chain(rotation, position, lift, elbow, wrist, z4, wrist_2, z5, wrist_3)


def within_limits(joints: Sequence[float]) -> bool:
    """Whether every joint (6,) [rad] is inside its limits; False for NaN."""
    return all(abs(joint) <= limit for joint, limit in zip(joints, JOINT_LIMITS_RAD))


def quaternion_pose(pose: Sequence[float] | Array) -> Array:
    """Pose (6,) xyz + rotation vector -> (7,) xyz + quaternion x y z w."""
    return np.concatenate([pose[:3], quaternion_from_rotation_vector(pose[3:6])])


def rotation_vector_pose(pose: Sequence[float] | Array) -> Array:
    """Pose (7,) xyz + quaternion x y z w -> (6,) xyz + rotation vector."""
    return np.concatenate([pose[:3], rotation_vector_from_quaternion(pose[3:7])])


def compose(first: Sequence[float], second: Sequence[float]) -> tuple[float, ...]:
    """UR's pose_trans: the pose (6,) `second`, given in the frame of the pose `first`."""
    rotation = matrix_from_rotation_vector(first[3:])
    turned = [
        sum(rotation[3 * row + column] * second[column] for column in range(3)) + first[row]
        for row in range(3)
    ]
    product = matrix_product(rotation, matrix_from_rotation_vector(second[3:]))
    return (*turned, *rotation_vector_from_matrix(product))


def matrix_from_rotation_vector(vector: Sequence[float]) -> Rotation:
    """Rotation vector (3,) [rad] -> rotation matrix, nine floats, row-major (Rodrigues)."""
    x, y, z = (float(value) for value in vector)
    angle = math.sqrt(x * x + y * y + z * z)
    if angle < 1e-12:
        return (1.0, -z, y, z, 1.0, -x, -y, x, 1.0)
    x, y, z = x / angle, y / angle, z / angle
    s, c = math.sin(angle), math.cos(angle)
    v = 1.0 - c
    return (
        c + x * x * v, x * y * v - z * s, x * z * v + y * s,
        x * y * v + z * s, c + y * y * v, y * z * v - x * s,
        x * z * v - y * s, y * z * v + x * s, c + z * z * v,
    )  # fmt: skip


def rotation_vector_from_matrix(matrix: Rotation) -> Vector:
    """Rotation matrix, row-major -> shortest rotation vector (3,), angle in [0, pi] [rad].

    By way of the quaternion whose largest component is computed first (Shepperd 1978): the
    simpler logarithm loses all digits near pi, and a tool that points down is exactly there.
    """
    a, b, c, d, e, f, g, h, i = matrix
    trace = a + e + i
    largest = max(trace, a, e, i)
    if largest == trace:
        x, y, z, w = h - f, c - g, d - b, 1.0 + trace
    elif largest == a:
        x, y, z, w = 1.0 + a - e - i, b + d, c + g, h - f
    elif largest == e:
        x, y, z, w = b + d, 1.0 + e - a - i, f + h, c - g
    else:
        x, y, z, w = c + g, f + h, 1.0 + i - a - e, d - b
    norm = math.sqrt(x * x + y * y + z * z)
    if norm < 1e-12 * abs(w):
        return (0.5 * (h - f), 0.5 * (c - g), 0.5 * (d - b))
    scale = 2.0 * math.atan2(norm, abs(w)) / norm
    if w < 0.0:
        scale = -scale
    return (scale * x, scale * y, scale * z)


def matrix_product(first: Rotation, second: Rotation) -> Rotation:
    """Product of two rotation matrices, row-major."""
    a, b, c, d, e, f, g, h, i = first
    k, m, n, o, p, q, r, s, t = second
    return (
        a * k + b * o + c * r, a * m + b * p + c * s, a * n + b * q + c * t,
        d * k + e * o + f * r, d * m + e * p + f * s, d * n + e * q + f * t,
        g * k + h * o + i * r, g * m + h * p + i * s, g * n + h * q + i * t,
    )  # fmt: skip


def _rotation_between(start: Rotation, end: Rotation) -> Vector:
    """Rotation vector, in the base frame, that turns start into end."""
    a, b, c, d, e, f, g, h, i = start
    return rotation_vector_from_matrix(matrix_product(end, (a, d, g, b, e, h, c, f, i)))


def _jacobian(chain: _Chain) -> Array:
    x, y, z = chain.position
    s1, minus_c1, _ = chain.lift_axis
    c1 = -minus_c1
    ez, wz = z - chain.elbow[2], z - chain.wrist[2]
    lz = z - D1
    # Height gained per radian of a lift joint is minus the TCP's horizontal reach from it.
    reach = x * c1 + y * s1
    reach_elbow = reach - (chain.elbow[0] * c1 + chain.elbow[1] * s1)
    reach_wrist = reach - (chain.wrist[0] * c1 + chain.wrist[1] * s1)
    v5 = _cross(chain.wrist_2_axis, chain.position, chain.wrist_2)
    v6 = _cross(chain.wrist_3_axis, chain.position, chain.wrist_3)
    a5, a6 = chain.wrist_2_axis, chain.wrist_3_axis
    return np.array(
        (
            (-y, -c1 * lz, -c1 * ez, -c1 * wz, v5[0], v6[0]),
            (x, -s1 * lz, -s1 * ez, -s1 * wz, v5[1], v6[1]),
            (0.0, reach, reach_elbow, reach_wrist, v5[2], v6[2]),
            (0.0, s1, s1, s1, a5[0], a6[0]),
            (0.0, minus_c1, minus_c1, minus_c1, a5[1], a6[1]),
            (1.0, 0.0, 0.0, 0.0, a5[2], a6[2]),
        )
    )


def _cross(axis: Vector, point: Vector, origin: Vector) -> Vector:
    x, y, z = point[0] - origin[0], point[1] - origin[1], point[2] - origin[2]
    return (axis[1] * z - axis[2] * y, axis[2] * x - axis[0] * z, axis[0] * y - axis[1] * x)
