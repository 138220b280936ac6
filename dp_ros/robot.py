"""The robot file: which arm, where it answers, how it is fed, and the limits it must keep."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from dp_ros import yamlfile
from dp_ros.core import limits
from dp_ros.core.kinematics import Kinematics
from dp_ros.core.safety import SafetyLimits
from dp_ros.core.stream_config import StreamConfig
from dp_ros.task import CartesianAction, Name, Task

Triple = tuple[float, float, float]
Six = tuple[float, float, float, float, float, float]


# Where a file does not say how soon the acceleration may be reached [s].
RAMP_S = 0.01


class Box(yamlfile.Settings):
    """A box in the base frame that the tip must not enter."""

    low: Triple = Field(description='x y z [m]')
    high: Triple

    @model_validator(mode='after')
    def _box(self) -> 'Box':
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f'low {self.low} must lie below high {self.high} on every axis')
        return self


class CartesianLimits(yamlfile.Settings):
    """Limits of the tool centre point in the base frame.

    A jerk that is None lets the acceleration be reached within 10 ms.
    """

    low: Triple = Field(description='x y z [m], corner of the workspace box')
    high: Triple
    speed: float = Field(gt=0, description='[m/s]')
    acceleration: float = Field(gt=0, description='[m/s^2]')
    jerk: float | None = Field(default=None, gt=0, description='[m/s^3]')
    step: float = Field(gt=0, description='how far a request may lie from the last setpoint [m]')
    angular_speed: float = Field(default=1.0, gt=0, description='[rad/s]')
    angular_acceleration: float = Field(default=5.0, gt=0, description='[rad/s^2]')
    angular_jerk: float | None = Field(default=None, gt=0, description='[rad/s^3]')
    table_z: float | None = Field(default=None, description='the tip must not go below it [m]')
    keep_out: dict[Name, Box] = Field(default_factory=dict)

    @model_validator(mode='after')
    def _box(self) -> 'CartesianLimits':
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f'low {self.low} must lie below high {self.high} on every axis')
        if self.table_z is not None and self.table_z >= self.high[2]:
            raise ValueError(
                f'table_z {self.table_z} must lie below the top of the workspace, {self.high[2]}'
            )
        for name, box in self.keep_out.items():
            below = all(a <= b for a, b in zip(box.low, self.low, strict=True))
            if below and all(a >= b for a, b in zip(box.high, self.high, strict=True)):
                raise ValueError(
                    f'keep_out {name!r} swallows the whole workspace {self.low} .. {self.high}; '
                    f'leave some of it free'
                )
        return self


class JointLimits(yamlfile.Settings):
    """Limits of the joints, in the order of `joints`; cartesian commands keep them, too.

    A jerk that is None lets the acceleration be reached within 10 ms. slow_from and stop_at are
    manipulabilities sqrt(det(J J^T)) [m^3], which is 0 at a singularity and 0.12 at best on a
    UR5e: the product of the lengths of both arms, of the wrist's reach from the base axis, and of
    the sines of elbow and wrist 2.
    """

    low: Six = Field(description='[rad]')
    high: Six
    speed: Six = Field(description='[rad/s]')
    acceleration: Six = Field(description='[rad/s^2]')
    jerk: Six | None = Field(default=None, description='[rad/s^3]')
    step: float = Field(gt=0, description='how far a request may lie from the last setpoint [rad]')
    margin: float = Field(default=0.1, ge=0, description='slow down this near to an end [rad]')
    slow_from: float = Field(default=0.006, gt=0, description='slow down below it [m^3]')
    stop_at: float = Field(default=0.002, gt=0, description='and never go below it [m^3]')

    @model_validator(mode='after')
    def _ranges(self) -> 'JointLimits':
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f'low {self.low} must lie below high {self.high} for every joint')
        if min(*self.speed, *self.acceleration, *(self.jerk or (1.0,))) <= 0:
            raise ValueError(
                f'speed {self.speed}, acceleration {self.acceleration} and jerk {self.jerk} must '
                f'be above 0'
            )
        narrowest = min(b - a for a, b in zip(self.low, self.high, strict=True))
        if 2 * self.margin >= narrowest:
            raise ValueError(
                f'margin {self.margin} leaves nothing of a joint that turns by {narrowest:g}'
            )
        if self.stop_at >= self.slow_from:
            raise ValueError(f'stop_at {self.stop_at} must lie below slow_from {self.slow_from}')
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
    lead_s: float = Field(
        default=0.0,
        ge=0,
        le=0.3,
        description="how much sooner than due a policy's actions are sent; `calibrate servo`"
        ' measures it. 0 for policies whose demonstrations were commands to the same servo: these '
        'have learnt its lag',
    )
    watchdog_hz: float = Field(default=10, gt=0, description='slower than this stops the arm')
    link_timeout_s: float = Field(default=0.1, gt=0, description='silence that is a lost link')
    unlock_after_s: float = Field(
        default=5.0, ge=0, description='a protective stop is not unlocked sooner'
    )


class _Frames(yamlfile.Settings):
    """What every camera has."""

    width: int = Field(default=640, gt=0, description='[px]')
    height: int = Field(default=480, gt=0)
    rate_hz: int = Field(default=30, gt=0)
    jpeg: bool = Field(default=False, description='publish /compressed instead of raw frames')
    jpeg_quality: int = Field(default=90, ge=1, le=100)


class RealSenseSettings(_Frames):
    """A RealSense camera, found by its serial number (hardware/realsense.py)."""

    driver: Literal['realsense']
    serial: str = Field(min_length=1, description='as printed on it; rs-enumerate-devices lists')
    exposure_us: float | None = Field(default=12_000, gt=0, description='None: automatic')
    gain: float | None = Field(default=0, ge=0)
    white_balance_k: float | None = Field(default=5900, gt=0, description='None: automatic')
    warm_up_s: float = Field(default=1.0, ge=0, description='frames thrown away at the start')


class WebcamSettings(_Frames):
    """A V4L2 camera through OpenCV (hardware/webcam.py)."""

    driver: Literal['webcam']
    device: str = Field(min_length=1, description='/dev/v4l/by-id/..., which outlives a replug')
    exposure: float | None = Field(default=None, description='in the units of its driver')
    warm_up_s: float = Field(default=1.0, ge=0)


class CellCameraSettings(_Frames):
    """A camera of the simulated cell, with the troubles of a real one (sim/camera.py)."""

    driver: Literal['cell']
    view: Literal['overhead', 'wrist']
    width: int = Field(default=320, gt=0, description='[px]')
    height: int = Field(default=240, gt=0)
    delay_s: float = Field(default=0.02, ge=0, description='from capture until it is sent')
    jitter_s: float = Field(default=0.005, ge=0, description='largest further delay, at random')
    drop: float = Field(default=0.01, ge=0, lt=1, description='share of the frames that are lost')
    stamp_late_s: float = Field(default=0.0, ge=0, description='header stamp behind the capture')


CameraSettings = Annotated[
    RealSenseSettings | WebcamSettings | CellCameraSettings, Field(discriminator='driver')
]


class Robot(yamlfile.Settings):
    """One robot cell.

    latencies_s: topic -> how far its header stamps lie behind the capture; `dp-ros latency`
    measures them. A topic that is not named has none.
    """

    arm: ArmSettings
    cameras: dict[Name, CameraSettings] = Field(default_factory=dict)
    latencies_s: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    rate_hz: Literal[125, 500] = 125
    first_step: float = Field(
        default=0.05, gt=0, description='largest distance of the first waypoint after arming'
    )
    blind_s: float = Field(
        default=0.1,
        gt=0,
        description='the arm holds when the policy lacks a stream that it needs for so long',
    )
    clock_tolerance_s: float = Field(
        default=0.05,
        gt=0,
        description="how far the policy's clock may differ from the executor's",
    )
    cartesian: CartesianLimits
    joint: JointLimits

    @model_validator(mode='after')
    def _cameras_differ(self) -> 'Robot':
        owners: dict[str, str] = {}
        for name, camera in self.cameras.items():
            device = _device(camera)
            if device in owners:
                raise ValueError(
                    f'cameras {owners[device]!r} and {name!r} are the same device, {device}; give '
                    f'each its own'
                )
            owners[device] = name
        return self

    @property
    def simulated(self) -> bool:
        """Whether its cameras look at the simulated cell."""
        return any(isinstance(camera, CellCameraSettings) for camera in self.cameras.values())

    @property
    def lead_ns(self) -> int:
        """How much sooner than due a policy's actions are sent [ns]."""
        return round(self.arm.lead_s * 1e9)

    @property
    def clock_tolerance_ns(self) -> int:
        """How far the policy's clock may differ from the executor's [ns]."""
        return round(self.clock_tolerance_s * 1e9)

    def latency_ns(self, topic: str) -> int:
        """How far the header stamps of `topic` lie behind the capture [ns]."""
        return round(self.latencies_s.get(topic, 0.0) * 1e9)

    def require_cameras(self, task: Task, origin: str, rates: bool = True) -> None:
        """Raise ValueError unless the cameras that `task` sees are here, at its size and rate.

        rates: not for what is over: the frames of a bag are those that there are.
        """
        wanted = [stream.name for stream in task.cameras]
        missing = [name for name in wanted if name not in self.cameras]
        if missing:
            raise ValueError(
                f'task {task.name!r} sees the cameras {wanted}; {origin} has '
                f'{list(self.cameras)}: {missing} missing. Name the cameras of the robot file as '
                f'the task does, or use a checkpoint of these cameras.'
            )
        for stream in task.cameras:
            camera = self.cameras[stream.name]
            if (camera.width, camera.height) != (stream.width, stream.height):
                raise ValueError(
                    f'camera {stream.name!r}: {origin} sets {camera.width} x {camera.height} '
                    f'pixels, task {task.name!r} expects {stream.width} x {stream.height}'
                )
            if rates and camera.rate_hz != stream.rate_hz:
                raise ValueError(
                    f'camera {stream.name!r}: {origin} sets {camera.rate_hz} Hz, task '
                    f'{task.name!r} expects {stream.rate_hz:g} Hz: say rate_hz: {camera.rate_hz} '
                    f'of the stream in the task, or change it in the robot file'
                )

    def stream(self, task: Task, kinematics: Kinematics | None = None) -> StreamConfig:
        """The rules of the command stream for `task` on this robot; as `safety`."""
        period = task.period_ns
        return StreamConfig(
            space=task.action.space,
            limits=self.safety(task, kinematics),
            period_s=1 / self.rate_hz,
            first_step=self.first_step,
            first_chunk_ns=3_000_000_000,
            # A chunk is meant to be followed by the next after T_a steps; one may be missed.
            patience_ns=(2 * task.horizons.action + 4) * period,
            # The first window after arming is T_o grid times long, all of them after it.
            epoch_ns=task.horizons.observation * period,
            unlock_ns=round(self.arm.unlock_after_s * 1e9),
            lead_ns=self.lead_ns,
            free_axes=task.action.free_axes if isinstance(task.action, CartesianAction) else (),
        )

    def safety(self, task: Task, kinematics: Kinematics | None = None) -> SafetyLimits:
        """The limits in the action space of `task`.

        Without kinematics only those of this space are checked, not the tip's under commands to
        the joints, nor the joints' under commands to the tip.
        """
        tip, joint = self.cartesian, self.joint
        pose = isinstance(task.action, CartesianAction)
        return SafetyLimits(
            pose=pose,
            axes=self._tip_axes() if pose else self._joint_axes(),
            tool=limits.ToolLimits(
                low=np.array(tip.low),
                high=np.array(tip.high),
                speed=tip.speed,
                acceleration=tip.acceleration,
                keep_out=tuple(
                    limits.KeepOut(name, np.array(box.low), np.array(box.high))
                    for name, box in tip.keep_out.items()
                ),
                table_z=-np.inf if tip.table_z is None else tip.table_z,
            ),
            joint=limits.JointLimits(
                low=np.array(joint.low),
                high=np.array(joint.high),
                speed=np.array(joint.speed),
                acceleration=np.array(joint.acceleration),
                margin=joint.margin,
                slow_from=joint.slow_from,
                stop_at=joint.stop_at,
            ),
            angular_speed=tip.angular_speed,
            angular_acceleration=tip.angular_acceleration,
            angular_jerk=tip.angular_jerk or tip.angular_acceleration / RAMP_S,
            kinematics=kinematics,
        )

    def _tip_axes(self) -> limits.AxisLimits:
        tip = self.cartesian
        # Each axis gets its share, so that the total keeps the limit whatever the direction.
        share = 1 / np.sqrt(3)
        return limits.AxisLimits(
            low=np.array(tip.low),
            high=np.array(tip.high),
            speed=np.full(3, tip.speed),
            acceleration=np.full(3, tip.acceleration * share),
            jerk=np.full(3, (tip.jerk or tip.acceleration / RAMP_S) * share),
            total_speed=tip.speed,
            step=tip.step,
        )

    def _joint_axes(self) -> limits.AxisLimits:
        joint = self.joint
        acceleration = np.array(joint.acceleration)
        return limits.AxisLimits(
            low=np.array(joint.low),
            high=np.array(joint.high),
            speed=np.array(joint.speed),
            acceleration=acceleration,
            jerk=acceleration / RAMP_S if joint.jerk is None else np.array(joint.jerk),
            step=joint.step,
        )


def _device(camera: CameraSettings) -> str:
    if isinstance(camera, RealSenseSettings):
        return f'serial {camera.serial}'
    return camera.device if isinstance(camera, WebcamSettings) else f'view {camera.view}'


def load_robot(path: Path | str) -> Robot:
    """Read a robot file; raises yamlfile.ConfigError."""
    return yamlfile.load(Robot, path)
