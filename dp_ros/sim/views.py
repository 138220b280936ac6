"""What a policy's cameras see of the cell, rendered without a clock: for data and evaluation."""

import numpy as np
from numpy.typing import NDArray

from dp_ros.data.images import prepare
from dp_ros.sim.cell import READY_JOINTS, tool_down_joints
from dp_ros.sim.render import SceneRenderer
from dp_ros.task import ImageStream

Image = NDArray[np.uint8]


class CellViews:
    """The prepared frames of `cameras`; each is a camera of the cell's model by that name.

    Create, use and close it in one thread.
    """

    def __init__(self, cameras: tuple[ImageStream, ...]) -> None:
        self._cameras = cameras
        self._renderers = {c.name: SceneRenderer(c.width, c.height, c.name) for c in cameras}

    def __enter__(self) -> 'CellViews':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the OpenGL contexts."""
        for renderer in self._renderers.values():
            renderer.close()

    def of_joints(self, joints: np.ndarray, block: np.ndarray) -> dict[str, Image]:
        """Frames for joints (6,) [rad] and the T at `block` (x, y, yaw), by camera."""
        return {
            camera.name: prepare(self._renderers[camera.name].frame(joints, block), camera)
            for camera in self._cameras
        }

    def of_state(self, state: np.ndarray) -> dict[str, Image]:
        """Frames for a state (5,): tip x y with the tool down, block x y yaw."""
        joints = tool_down_joints(np.asarray(state[:2], float), READY_JOINTS)
        return self.of_joints(joints, np.asarray(state[2:5], float))
