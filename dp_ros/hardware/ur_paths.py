"""UR5e kinematics of whole paths at once: closed form, no iteration, a few numpy operations.

For the limits of the command stream (core/kinematics.py), which look some ten or twenty setpoints
ahead in every control period. Frames and DH parameters are those of ur_kinematics.py.

The joints 2, 3 and 4 are parallel, so the arm moves in a vertical plane whose normal is the lift
axis l = (sin q1, -cos q1, 0); `f` = (cos q1, sin q1, 0) points forwards in it. A pose leaves three
choices: on which side of the base axis the plane lies, the sign of q3, and that of q5. They are
taken from the seed: along a path without singularity none of them changes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dp_ros.core import rotations
from dp_ros.hardware.ur_kinematics import A2, A3, D1, D4, D5, D6, UR5eKinematics

Array = NDArray[np.float64]
TURN = 2 * np.pi


class UR5ePaths:
    """Satisfies core.kinematics.Kinematics. tcp_offset: TCP in the flange frame (6,)."""

    def __init__(self, tcp_offset: Sequence[float] = (0.0,) * 6) -> None:
        self._one = UR5eKinematics(tcp_offset)
        offset = np.array(tcp_offset, dtype=float)
        turn = rotations.quaternion_from_rotation_vector(offset[3:])
        self._tool = rotations.quaternion_inverse(turn)
        # From wrist 3 to the tip, in the axes of the flange.
        self._reach = (offset[0], offset[1], offset[2] + D6)

    def inverse(self, poses: Array, seed: Array) -> Array | None:
        """Poses (n, 7) -> joints (n, 6) in the configuration of `seed`; None if out of reach."""
        # Single numbers a column: at this size, every array that is built costs a microsecond.
        px, py, pz = poses.T[:3]
        turns: tuple[Any, ...] = tuple(poses.T[3:])
        if (poses[:, 3:] == poses[0, 3:]).all():
            turns = tuple(poses[0, 3:].tolist())
        x6, y6, z6 = _flange_axes(turns, self._tool)
        ox, oy, oz = self._reach
        x = px - ox * x6[0] - oy * y6[0] - oz * z6[0]
        y = py - ox * x6[1] - oy * y6[1] - oz * z6[1]
        z = pz - ox * x6[2] - oy * y6[2] - oz * z6[2]
        square = x * x + y * y
        inside = square - D4 * D4
        if inside.min() <= 0:
            return None
        side, elbow, wrist = np.where(_factors(seed[None])[:, 0] < 0, -1.0, 1.0)
        forward = side * np.sqrt(inside)
        c1, s1 = (forward * x - D4 * y) / square, (forward * y + D4 * x) / square
        lift_x6 = x6[0] * s1 - x6[1] * c1
        lift_y6 = y6[0] * s1 - y6[1] * c1
        s5 = wrist * np.hypot(lift_x6, lift_y6)
        q5 = np.arctan2(s5, z6[0] * s1 - z6[1] * c1)
        q6 = np.arctan2(-wrist * lift_y6, wrist * lift_x6)
        s6, c6 = np.sin(q6), np.cos(q6)
        ahead = -(s6 * x6[0] + c6 * y6[0]) * c1 - (s6 * x6[1] + c6 * y6[1]) * s1
        down = s6 * x6[2] + c6 * y6[2]
        radius, height = forward - D5 * ahead, z + D5 * down - D1
        c3 = (radius * radius + height * height - A2 * A2 - A3 * A3) / (2 * A2 * A3)
        if np.abs(c3).max() >= 1:
            return None
        q3 = elbow * np.arccos(c3)
        q2 = np.arctan2(height, radius) - np.arctan2(A3 * np.sin(q3), A2 + A3 * c3)
        q4 = np.arctan2(ahead, down) - q2 - q3
        joints = np.array([np.arctan2(s1, c1), q2, q3, q4, q5, q6]).T
        return joints + TURN * np.round((seed - joints) / TURN)

    def positions(self, joints: Array) -> Array:
        """Joints (n, 6) -> position (n, 3) [m] of the tool centre point."""
        s, c = np.sin(joints.T), np.cos(joints.T)
        (s1, s2, _, _, s5, s6), (c1, c2, _, _, c5, c6) = s, c
        q23 = joints[:, 1] + joints[:, 2]
        q234 = q23 + joints[:, 3]
        s234, c234 = np.sin(q234), np.cos(q234)
        # Offset of the tip, turned back by the wrist joints, in the plane's axes f, l and up.
        ox, oy, oz = self._reach
        along_x5, along_z4 = ox * c6 - oy * s6, D5 - ox * s6 - oy * c6
        along_x4, lift = along_x5 * c5 - oz * s5, D4 + along_x5 * s5 + oz * c5
        forward = A2 * c2 + A3 * np.cos(q23) + along_x4 * c234 + along_z4 * s234
        up = D1 + A2 * s2 + A3 * np.sin(q23) + along_x4 * s234 - along_z4 * c234
        return np.array([forward * c1 + lift * s1, forward * s1 - lift * c1, up]).T

    def jacobian(self, joints: Array) -> Array:
        """Joints (6,) -> geometric Jacobian (6, 6)."""
        return self._one.jacobian(joints.tolist())

    def manipulability(self, joints: Array) -> Array:
        """Joints (n, 6) -> |det J| (n,) [m^3], whatever the tool."""
        return np.abs(A2 * A3 * np.prod(_factors(joints), axis=0))


def _flange_axes(quaternion: tuple[Any, ...], tool: Array) -> list[tuple[Any, Any, Any]]:
    """The axes x, y, z of the flange, each as its three components, (n,) or one number for all.

    quaternion: x, y, z, w, likewise, of the tool centre point; tool (4,): turns the tool back.
    """
    x1, y1, z1, w1 = quaternion
    x2, y2, z2, w2 = tool.tolist()
    x = w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2
    y = w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2
    z = w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2
    w = w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2
    return [
        (1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)),
        (2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)),
        (2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)),
    ]


def _factors(joints: Array) -> Array:
    """Joints (n, 6) -> (3, n): wrist's reach from the base axis [m], sin q3, sin q5.

    det J is the product of these and of the lengths of both arms: each is one singularity, and
    its sign one of the choices of inverse kinematics.
    """
    _, q2, q3, q4, q5, _ = joints.T
    reach = A2 * np.cos(q2) + A3 * np.cos(q2 + q3) + D5 * np.sin(q2 + q3 + q4)
    return np.array([reach, np.sin(q3), np.sin(q5)])
