"""What a policy's cameras see of the cell, rendered without a clock: for data and evaluation."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from dp_ros.data.images import prepare
from dp_ros.sim.cell import READY_JOINTS, tool_down_joints
from dp_ros.sim.cell_model import block_qpos
from dp_ros.sim.render import SceneRenderer
from dp_ros.sim.sensor_noise import SensorNoise
from dp_ros.task import ImageStream

Image = NDArray[np.uint8]
Noise = Callable[[Image], Image]
"""Frame (height, width, 3) as it is -> as a sensor gives it."""


class CellViews:
    """The prepared frames of `cameras`; each is a camera of the cell's model by that name.

    Create, use and close it in one thread.
    """

    def __init__(self, cameras: tuple[ImageStream, ...]) -> None:
        self.cameras = cameras
        self._renderers = {c.name: SceneRenderer(c.width, c.height, c.name) for c in cameras}

    def __enter__(self) -> 'CellViews':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the OpenGL contexts."""
        for renderer in self._renderers.values():
            renderer.close()

    def noise(self, seed: int) -> dict[str, Noise]:
        """The sensor noise of each camera in the episode of `seed`."""
        return {
            c.name: SensorNoise((c.height, c.width, 3), seed * len(self.cameras) + i)
            for i, c in enumerate(self.cameras)
        }

    def of_qpos(
        self, qpos: np.ndarray, noise: Mapping[str, Noise] | None = None
    ) -> dict[str, Image]:
        """Frames of the cell at qpos (13,), as Cell.qpos is, by camera."""
        frames = {}
        for camera in self.cameras:
            frame = self._renderers[camera.name].view(qpos)
            frames[camera.name] = prepare(noise[camera.name](frame) if noise else frame, camera)
        return frames


def qpos_of_state(state: np.ndarray) -> np.ndarray:
    """State (5,), tip x y and block x y yaw -> qpos (13,): tool straight down, T flat."""
    state = np.asarray(state, float)
    joints = tool_down_joints(state[:2], READY_JOINTS)
    return np.concatenate([joints, block_qpos(state[2:5])])
