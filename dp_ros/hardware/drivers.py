"""Which arms there are: one line each."""

from collections.abc import Callable

from dp_ros.hardware.arm import Arm
from dp_ros.hardware.ur import URArm
from dp_ros.robot import Robot


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


DRIVERS: dict[str, Callable[[Robot], Arm]] = {'ur': _universal_robots}


def make_arm(robot: Robot) -> Arm:
    """The arm that the robot file names, not connected yet."""
    return DRIVERS[robot.arm.driver](robot)
