"""The calibration of a camera as a message."""

from sensor_msgs.msg import CameraInfo

from dp_ros.hardware.camera import Intrinsics
from dp_ros.nodes.convert import time_message


def camera_info_message(
    stamp_ns: int, frame_id: str, size: tuple[int, int], intrinsics: Intrinsics | None
) -> CameraInfo:
    """Calibration of frames of `size` (width, height) [px], for the frame of the same stamp.

    Without intrinsics K stays zero, which in ROS means: not calibrated.
    """
    width, height = size
    message = CameraInfo(width=width, height=height)
    message.header.stamp, message.header.frame_id = time_message(stamp_ns), frame_id
    if intrinsics is not None:
        fx, fy, cx, cy = intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy
        message.distortion_model = intrinsics.model
        message.d = list(intrinsics.distortion)
        message.k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
        message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        message.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message
