"""The robot file: which arm, where it answers, how it is fed, and the limits it must keep."""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from dp_ros import yamlfile
from dp_ros.core.safety import AxisLimits, SafetyLimits
from dp_ros.task import CartesianAction, Task

Triple = tuple[float, float, float]
Six = tuple[float, float, float, float, float, float]


class CartesianLimits(yamlfile.Settings):
    """Limits of the tool centre point in the base frame."""

    low: Triple = Field(description='x y z [m], corner of the workspace box')
    high: Triple
    speed: float = Field(gt=0, description='[m/s]')
    acceleration: float = Field(gt=0, description='[m/s^2]')
    step: float = Field(gt=0, description='how far a request may lie from the last setpoint [m]')
    angular_speed: float = Field(default=1.0, gt=0, description='[rad/s]')
    angular_acceleration: float = Field(default=5.0, gt=0, description='[rad/s^2]')

    @model_validator(mode='after')
    def _box(self) -> 'CartesianLimits':
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f'low {self.low} must lie below high {self.high} on every axis')
        return self


class JointLimits(yamlfile.Settings):
    """Limits of the joints, in the order of `joints`."""

    low: Six = Field(description='[rad]')
    high: Six
    speed: Six = Field(description='[rad/s]')
    acceleration: Six = Field(description='[rad/s^2]')
    step: float = Field(gt=0, description='how far a request may lie from the last setpoint [rad]')

    @model_validator(mode='after')
    def _ranges(self) -> 'JointLimits':
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f'low {self.low} must lie below high {self.high} for every joint')
        if min(*self.speed, *self.acceleration) <= 0:
            raise ValueError(
                f'speed {self.speed} and acceleration {self.acceleration} must be above 0'
            )
        return self


class ArmSettings(yamlfile.Settings):
    """The arm and its controller."""

    driver: Literal['ur']
    address: str = Field(description='IP address of the controller')
    joints: tuple[str, str, str, str, str, str] = Field(description='joint names, base to tool')
    tcp_offset: Six = Field(description='flange to TCP: x y z [m], rotation vector [rad]')
    payload_kg: float = Field(default=0.0, ge=0)
    lookahead_s: float = Field(default=0.1, ge=0.03, le=0.2, description='of servoL and servoJ')
    gain: float = Field(default=300, ge=100, le=2000, description='of servoL and servoJ')
    watchdog_hz: float = Field(default=10, gt=0, description='slower than this stops the arm')
    link_timeout_s: float = Field(default=0.1, gt=0, description='silence that is a lost link')


class Robot(yamlfile.Settings):
    """One robot cell."""

    arm: ArmSettings
    rate_hz: Literal[125, 500] = 125
    first_step: float = Field(
        default=0.05, gt=0, description='largest distance of the first waypoint after arming'
    )
    cartesian: CartesianLimits
    joint: JointLimits

    def safety(self, task: Task) -> SafetyLimits:
        """The limits in the action space of `task`."""
        if isinstance(task.action, CartesianAction):
            limits = self.cartesian
            # Each axis gets its share, so that the total keeps the limit whatever the direction.
            acceleration = np.full(3, limits.acceleration / np.sqrt(3))
            axes = AxisLimits(
                low=np.array(limits.low),
                high=np.array(limits.high),
                speed=np.full(3, limits.speed),
                acceleration=acceleration,
                total_speed=limits.speed,
                step=limits.step,
            )
            return SafetyLimits(True, axes, limits.angular_speed, limits.angular_acceleration)
        joint = self.joint
        axes = AxisLimits(
            low=np.array(joint.low),
            high=np.array(joint.high),
            speed=np.array(joint.speed),
            acceleration=np.array(joint.acceleration),
            step=joint.step,
        )
        return SafetyLimits(False, axes)


def load_robot(path: Path | str) -> Robot:
    """Read a robot file; raises yamlfile.ConfigError."""
    return yamlfile.load(Robot, path)
