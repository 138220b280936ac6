"""Pictures of the cell from the third person: arm, T, goal and what the policy intends."""

import os
from itertools import pairwise

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from dp_ros.core.rotations import yaw_from_quaternion
from dp_ros.sim import pusht
from dp_ros.sim.cell_model import JOINT_NAMES, block_qpos, cell_xml

_GOAL_RGBA = (0.45, 0.80, 0.55, 1.0)
_EDGE_RGBA = (0.10, 0.45, 0.25, 1.0)
_SQUARE_RGBA = (0.45, 0.43, 0.40, 1.0)
_SHADOW_RGBA = (0.05, 0.05, 0.10, 0.30)
_TRAIL_RGBA = (0.35, 0.35, 0.42, 0.8)
_CHUNK_NEAR = np.array([0.95, 0.15, 0.20, 1.0])
_CHUNK_FAR = np.array([1.00, 0.80, 0.15, 1.0])
_FLAT_M = 0.0006
_SHADOW_M = (0.009, -0.007)  # away from the main light; drawn, since shadow maps cost 20 ms
_MARK_HEIGHT_M = 0.034  # just over the T, so that the chunk stays visible where it crosses it
_EYE = np.eye(3).ravel()


class SceneRenderer:
    """Draws frames of one size. Create, use and close it in one thread.

    Headless machines need MUJOCO_GL=osmesa (or egl) in the environment before mujoco is imported.
    """

    def __init__(self, width: int, height: int, camera: str = 'scene') -> None:
        self.model = mujoco.MjModel.from_xml_string(cell_xml())
        self.model.vis.global_.offwidth = max(width, self.model.vis.global_.offwidth)
        self.model.vis.global_.offheight = max(height, self.model.vis.global_.offheight)
        self.data = mujoco.MjData(self.model)
        self._camera = camera
        try:
            self._renderer = mujoco.Renderer(self.model, height, width)
        except Exception as error:
            raise RuntimeError(
                f'no OpenGL for rendering (MUJOCO_GL={os.environ.get("MUJOCO_GL", "unset")}): set '
                'MUJOCO_GL=osmesa before mujoco is imported, and install the library with '
                '"apt install libosmesa6"'
            ) from error

    def __enter__(self) -> 'SceneRenderer':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the OpenGL context; do it before the interpreter exits."""
        self._renderer.close()

    def frame(
        self,
        joint_positions: np.ndarray,
        block_pose: np.ndarray,
        chunk: np.ndarray | None = None,
        trail: np.ndarray | None = None,
    ) -> np.ndarray:
        """One picture, uint8 (height, width, 3).

        joint_positions (6,) rad, block_pose (3,) x y yaw; chunk (k, 2 or 3): the waypoints to
        come, metres, soonest first; trail (n, 2 or 3): where the tip has been. Base frame.
        """
        qpos = np.concatenate([joint_positions, block_qpos(block_pose)])
        self._prepare(qpos, np.asarray(block_pose))
        if trail is not None and len(trail) > 1:
            self._draw_line(_at_height(trail, 0.002), 0.0015, _TRAIL_RGBA)
        if chunk is not None and len(chunk):
            self._draw_chunk(_at_height(chunk, _MARK_HEIGHT_M))
        return self._renderer.render()

    def view(self, qpos: np.ndarray) -> np.ndarray:
        """One picture, uint8 (height, width, 3), of the cell at qpos (13,), as Cell.qpos is."""
        block = qpos[len(JOINT_NAMES) :]
        yaw = yaw_from_quaternion(np.roll(block[3:], -1))
        self._prepare(qpos, np.array([*block[:2], yaw]))
        return self._renderer.render()

    def _prepare(self, qpos: np.ndarray, block_pose: np.ndarray) -> None:
        """The scene at qpos (13,), and what lies on the table with the T at block_pose (3,)."""
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        self._renderer.update_scene(self.data, self._camera)
        self._draw_table(block_pose)

    def _draw_table(self, block_pose: np.ndarray) -> None:
        """What lies flat on the table: the workspace square, the goal and the shadows."""
        low, high = pusht.SQUARE_LOW, pusht.SQUARE_HIGH
        square = np.array([low, [high[0], low[1]], high, [low[0], high[1]], low])
        self._draw_line(_at_height(square, 0), 0.0012, _SQUARE_RGBA)
        self._draw_flat_block(pusht.GOAL_POSE, _FLAT_M, _GOAL_RGBA)
        outline = pusht.block_outline(pusht.GOAL_POSE)
        self._draw_line(_at_height(np.vstack([outline, outline[:1]]), _FLAT_M), 0.0018, _EDGE_RGBA)

        shadow = block_pose + np.array([*_SHADOW_M, 0.0])
        self._draw_flat_block(shadow, 2.5 * _FLAT_M, _SHADOW_RGBA)
        tip = self.data.site('tcp').xpos[:2] + _SHADOW_M
        size = [pusht.TIP_RADIUS_M, pusht.TIP_RADIUS_M, _FLAT_M / 2]
        at = [*tip, 2.5 * _FLAT_M]
        self._add(mujoco.mjtGeom.mjGEOM_ELLIPSOID, size, at, _EYE, _SHADOW_RGBA)

    def _draw_flat_block(self, pose: np.ndarray, height: float, rgba: tuple[float, ...]) -> None:
        """A T at `pose` (3,) as a sheet whose middle is at `height`."""
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, np.array([np.cos(pose[2] / 2), 0, 0, np.sin(pose[2] / 2)]))
        for centre, half in (
            (pusht.BAR_CENTRE, pusht.BAR_HALF),
            (pusht.STEM_CENTRE, pusht.STEM_HALF),
        ):
            at = [*pusht.to_base_frame(np.array(centre), pose), height]
            self._add(mujoco.mjtGeom.mjGEOM_BOX, [*half, _FLAT_M], at, turn, rgba)

    def _draw_chunk(self, points: np.ndarray) -> None:
        for i, point in enumerate(points):
            share = i / max(1, len(points) - 1)
            rgba = _CHUNK_NEAR + share * (_CHUNK_FAR - _CHUNK_NEAR)
            size = [0.0065 - 0.002 * share] * 3
            self._add(mujoco.mjtGeom.mjGEOM_SPHERE, size, point, _EYE, rgba)
            if i:
                self._connect(points[i - 1], point, 0.0018, rgba)

    def _draw_line(self, points: np.ndarray, radius: float, rgba: ArrayLike) -> None:
        for a, b in pairwise(points):
            self._connect(a, b, radius, rgba)

    def _connect(self, a: np.ndarray, b: np.ndarray, radius: float, rgba: ArrayLike) -> None:
        capsule = mujoco.mjtGeom.mjGEOM_CAPSULE
        geom = self._add(capsule, [radius] * 3, a, _EYE, rgba)
        if geom is not None:
            mujoco.mjv_connector(geom, capsule, radius, a, b)

    def _add(
        self, kind: int, size: ArrayLike, at: ArrayLike, turn: np.ndarray, rgba: ArrayLike
    ) -> mujoco.MjvGeom | None:
        """One more shape in this frame; None when the scene is full (a very long trail)."""
        scene = self._renderer.scene
        if scene.ngeom >= scene.maxgeom:
            return None
        geom = scene.geoms[scene.ngeom]
        colour = np.array(rgba, np.float32)
        mujoco.mjv_initGeom(geom, kind, np.array(size, float), np.array(at, float), turn, colour)
        scene.ngeom += 1
        return geom


def _at_height(points: np.ndarray, height: float) -> np.ndarray:
    """Points (n, 2 or 3) as (n, 3) on the plane z = `height`, metres."""
    xy = np.asarray(points, float)[:, :2]
    return np.column_stack([xy, np.full(len(xy), height)])
