"""The driver of a camera of the robot file: the simulated cell's, or that of a device."""

import zlib

from dp_ros.hardware.camera import Camera
from dp_ros.hardware.drivers import CAMERAS
from dp_ros.robot import CameraSettings, CellCameraSettings


def make_camera(settings: CameraSettings, address: str) -> Camera:
    """The camera that `settings` name, not opened yet; address: where a simulated cell answers."""
    if isinstance(settings, CellCameraSettings):
        # MuJoCo takes a second to load, and no real camera needs it.
        from dp_ros.sim.camera import CellCamera

        # The troubles of one camera are not those of the other.
        return CellCamera(address, settings, seed=zlib.crc32(settings.view.encode()))
    return CAMERAS[settings.driver](settings)
