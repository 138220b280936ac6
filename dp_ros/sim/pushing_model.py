"""How the T moves when a round tip pushes it slowly: a vectorised quasi-static model.

The T's friction with the table is an ellipsoidal limit surface (Lynch, Maekawa, Tanie 1992,
"Manipulation and active sensing by pushing using tactile feedback"): a force f at p (from the
centre of mass) moves it along (f, p x f / c^2). The tip is a disc with Coulomb friction.

Everything is batched over the last axis; positions in metres, base frame.
"""

from dataclasses import dataclass

import numpy as np

from dp_ros.sim import pusht

LIMIT_RADIUS_M = 0.055
"""c: greatest friction torque over greatest friction force; fits pushes in the cell."""

TIP_FRICTION = 0.2

_CENTRES = np.array([pusht.BAR_CENTRE, pusht.STEM_CENTRE]) - pusht.CENTRE_OF_MASS
_HALVES = np.array([pusht.BAR_HALF, pusht.STEM_HALF])


def nearest_on_block(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """The T's nearest point to (x, y), both in the T's frame from its centre of mass.

    Returns (distance, point x, point y). Distance is zero inside the T.
    """
    px = [np.clip(x, c[0] - h[0], c[0] + h[0]) for c, h in zip(_CENTRES, _HALVES, strict=True)]
    py = [np.clip(y, c[1] - h[1], c[1] + h[1]) for c, h in zip(_CENTRES, _HALVES, strict=True)]
    bar, stem = (np.hypot(x - px[i], y - py[i]) for i in (0, 1))
    first = bar < stem
    return np.where(first, bar, stem), np.where(first, *px), np.where(first, *py)


@dataclass(frozen=True)
class Block:
    """A batch of T poses by centre of mass: x, y metres, yaw radians, each shape (n,)."""

    x: np.ndarray
    y: np.ndarray
    yaw: np.ndarray

    @staticmethod
    def from_pose(pose: np.ndarray) -> 'Block':
        """From poses (..., 3) of the block's origin."""
        pose = np.asarray(pose)
        offset = pusht.CENTRE_OF_MASS[1]
        return Block(
            pose[..., 0] - offset * np.sin(pose[..., 2]),
            pose[..., 1] + offset * np.cos(pose[..., 2]),
            pose[..., 2],
        )

    @property
    def pose(self) -> np.ndarray:
        """Poses of the block's origin, shape (..., 3)."""
        offset = pusht.CENTRE_OF_MASS[1]
        return np.stack(
            [self.x + offset * np.sin(self.yaw), self.y - offset * np.cos(self.yaw), self.yaw],
            axis=-1,
        )


def push(block: Block, x: np.ndarray, y: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> Block:
    """Where the T lies after the tip came to (x, y) by the small step (dx, dy), a few mm."""
    cos, sin = np.cos(block.yaw), np.sin(block.yaw)
    rx, ry = x - block.x, y - block.y
    rx, ry = cos * rx + sin * ry, cos * ry - sin * rx
    ux, uy = cos * dx + sin * dy, cos * dy - sin * dx
    distance, px, py = nearest_on_block(rx, ry)
    depth = np.maximum(pusht.TIP_RADIUS_M - distance, 0)

    scale = 1 / np.maximum(distance, 1e-9)
    nx, ny = (px - rx) * scale, (py - ry) * scale  # from the tip into the T
    slide = np.where(depth > 0, ny * ux - nx * uy, 0)  # along the tangent (ny, -nx)

    # Sticking: the contact point follows the tip. Mobility of the contact: I + s s^T / c^2.
    c2 = LIMIT_RADIUS_M**2
    sx, sy = -py, px
    wx, wy = nx * depth + ny * slide, ny * depth - nx * slide
    along = (sx * wx + sy * wy) / (c2 + sx * sx + sy * sy)
    fx, fy = wx - sx * along, wy - sy * along
    normal, tangent = fx * nx + fy * ny, fx * ny - fy * nx

    # Outside the friction cone it slips: the force lies on the cone's edge.
    ratio = TIP_FRICTION * np.sign(tangent)
    ex, ey = nx + ratio * ny, ny - ratio * nx
    torque = (sx * ex + sy * ey) / c2
    size = depth / (1 + torque * (sx * nx + sy * ny))
    slips = np.abs(tangent) > TIP_FRICTION * normal
    fx, fy = np.where(slips, size * ex, fx), np.where(slips, size * ey, fy)

    return Block(
        block.x + cos * fx - sin * fy,
        block.y + sin * fx + cos * fy,
        block.yaw + (sx * fx + sy * fy) / c2,
    )
