"""Which arms and cameras there are: one line each. A camera's library loads when it is used."""

from collections.abc import Callable
from typing import Any

from dp_ros.core.kinematics import Kinematics
from dp_ros.hardware.arm import Arm
from dp_ros.hardware.camera import Camera
from dp_ros.hardware.ur import URArm
from dp_ros.hardware.ur_paths import UR5ePaths
from dp_ros.robot import RealSenseSettings, Robot, WebcamSettings


def _universal_robots(robot: Robot) -> Arm:
    arm = robot.arm
    return URArm(
        arm.address,
        rate_hz=robot.rate_hz,
        tcp_offset=arm.tcp_offset,
        payload_kg=arm.payload_kg,
        lookahead_s=arm.lookahead_s,
        gain=arm.gain,
        watchdog_hz=arm.watchdog_hz,
        link_timeout_s=arm.link_timeout_s,
    )


def _realsense(settings: RealSenseSettings) -> Camera:
    from dp_ros.hardware.realsense import RealSense

    return RealSense(settings)


def _webcam(settings: WebcamSettings) -> Camera:
    from dp_ros.hardware.webcam import Webcam

    return Webcam(settings)


DRIVERS: dict[str, Callable[[Robot], Arm]] = {'ur': _universal_robots}
KINEMATICS: dict[str, Callable[[Robot], Kinematics]] = {
    'ur': lambda robot: UR5ePaths(robot.arm.tcp_offset)
}
# By the driver that a camera's settings name, from these settings; not opened yet.
CAMERAS: dict[str, Callable[[Any], Camera]] = {'realsense': _realsense, 'webcam': _webcam}


def make_arm(robot: Robot) -> Arm:
    """The arm that the robot file names, not connected yet."""
    return DRIVERS[robot.arm.driver](robot)


def make_kinematics(robot: Robot) -> Kinematics:
    """What the limits need to know of the arm that the robot file names."""
    return KINEMATICS[robot.arm.driver](robot)
