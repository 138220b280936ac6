"""A RealSense camera through pyrealsense2: colour frames, stamped at capture.

The pipeline hands its frames to a queue of ours. Its own waiting would reconnect a lost camera
behind our back, and that camera would come back with automatic exposure.
"""

import contextlib
import logging
import threading
import time
from typing import Any

import numpy as np

from dp_ros.hardware import realsense_sensors as sensors
from dp_ros.hardware.camera import CameraError, Frame, Intrinsics
from dp_ros.robot import RealSenseSettings

# Frames that wait for a reader which is late; the oldest go first.
QUEUE = 2
# The first frame comes later than this from no camera that works.
START_S = 4.0
# A camera that is still plugged in, but silent for so long, has hung: to be opened anew.
SILENCE_S = 5.0
STOP_S = 2.0

log = logging.getLogger(__name__)


class RealSense:
    """Camera with the serial number of the settings.

    context: a pyrealsense2.context that knows the camera, such as one with a software device or
    a recording loaded; by default that of the USB devices.
    """

    def __init__(self, settings: RealSenseSettings, context: Any = None) -> None:
        self._settings = settings
        self._context = context
        self._pipeline: Any = None
        self._device: Any = None
        self._queue: Any = None
        self._intrinsics: Intrinsics | None = None
        self._number, self._timestamp = -1, -1.0
        self._heard_s = 0.0
        self._warned = False

    @property
    def intrinsics(self) -> Intrinsics | None:
        """The factory's calibration once open."""
        return self._intrinsics

    def open(self) -> None:
        """Start streaming, fix the settings, throw the first frames away; CameraError if not."""
        self.close()
        if self._context is None:
            self._context = sensors.library().context()
        try:
            self._start()
            sensors.configure(sensors.color_sensor(self._device), self._settings)
            self._warm_up()
        except RuntimeError as error:
            self.close()
            raise CameraError(
                f'RealSense {self._settings.serial} broke off while it was opened: {error}'
            ) from error
        except CameraError:
            self.close()
            raise

    def read(self, timeout_s: float) -> Frame | None:
        """The next new frame; None after timeout_s [s]; CameraError once the camera is gone."""
        if self._queue is None:
            raise CameraError(f'RealSense {self._settings.serial} is not open; call open() first')
        try:
            color = self._next(time.monotonic() + timeout_s)
            if color is None:
                self._check_presence()
                return None
            return self._frame(color)
        except RuntimeError as error:
            raise CameraError(
                f'RealSense {self._settings.serial} broke off: {error}; call open() to reconnect'
            ) from error

    def close(self) -> None:
        """Stop the pipeline. With a camera that is gone this can hang: not waited for long."""
        pipeline, self._pipeline = self._pipeline, None
        self._device = self._queue = self._intrinsics = None
        if pipeline is None:
            return

        def stop() -> None:
            with contextlib.suppress(RuntimeError):  # the camera is gone: nothing left to stop
                pipeline.stop()

        thread = threading.Thread(target=stop, daemon=True)
        thread.start()
        thread.join(STOP_S)

    def _start(self) -> None:
        rs, wanted = sensors.library(), self._settings
        device = self._find()
        config = rs.config()
        config.enable_device(wanted.serial)
        config.enable_stream(
            rs.stream.color, wanted.width, wanted.height, rs.format.rgb8, wanted.rate_hz
        )
        pipeline, queue = rs.pipeline(self._context), rs.frame_queue(QUEUE)
        try:
            profile = pipeline.start(config, queue)
        except RuntimeError as error:
            raise CameraError(
                f'RealSense {wanted.serial} does not start at {wanted.width}x{wanted.height}@'
                f'{wanted.rate_hz} rgb8 ({error}); it offers {sensors.color_profiles(device)}. '
                f'Few profiles: it hangs on USB 2. Busy: another program holds it'
            ) from error
        self._pipeline, self._queue, self._device = pipeline, queue, profile.get_device()
        self._intrinsics = sensors.intrinsics(profile.get_stream(rs.stream.color))
        self._number, self._timestamp = -1, -1.0
        self._heard_s = time.monotonic()

    def _warm_up(self) -> None:
        """Until the first frame and warm_up_s beyond it; all of these frames are thrown away."""
        if self.read(START_S) is None:
            raise CameraError(
                f'RealSense {self._settings.serial} sent no frame for {START_S:g} s after its '
                f'start; replug it, and use a USB 3 cable and port'
            )
        until = time.monotonic() + self._settings.warm_up_s
        while (left_s := until - time.monotonic()) > 0:
            self.read(left_s)

    def _find(self) -> Any:
        devices = self._context.query_devices()
        connected = {sensors.serial_number(device): device for device in devices}
        if self._settings.serial not in connected:
            raise CameraError(
                f'no RealSense with the serial number {self._settings.serial!r}; connected: '
                f'{", ".join(sorted(connected)) or "none"}. Plug it in, or name the one meant in '
                f'the robot file'
            )
        return connected[self._settings.serial]

    def _next(self, deadline: float) -> Any:
        """The next new colour frame; None when there is none by the deadline (monotonic, s)."""
        while True:
            left_ms = max(0, round((deadline - time.monotonic()) * 1e3))
            arrived, frame = self._queue.try_wait_for_frame(left_ms)
            color = frame.as_frameset().get_color_frame() if arrived else None
            if color and self._is_new(color):
                return color
            if time.monotonic() >= deadline:
                return None

    def _check_presence(self) -> None:
        """Called when no frame came: is the camera merely late?"""
        # A camera unplugged and plugged in again is listed, but the device held here is dead.
        if not self._device.is_connected():
            raise CameraError(
                f'RealSense {self._settings.serial} was unplugged; call open() to reconnect'
            )
        self._find()
        silent_s = time.monotonic() - self._heard_s
        if silent_s > SILENCE_S:
            raise CameraError(
                f'RealSense {self._settings.serial} is plugged in, but sent nothing new for '
                f'{silent_s:.1f} s; call open() to start it again'
            )

    def _is_new(self, color: Any) -> bool:
        """Whether it is later than all before. The camera may repeat a frame when it stumbles."""
        new = color.frame_number > self._number and color.timestamp != self._timestamp
        if new:
            self._number, self._timestamp = color.frame_number, color.timestamp
            self._heard_s = time.monotonic()
        return new

    def _frame(self, color: Any) -> Frame:
        stamp_ns = self._stamp_ns(color)
        # The library wants its buffer back, so this is where the pixels are copied.
        image = np.array(color.get_data())
        expected = (self._settings.height, self._settings.width, 3)
        if image.shape != expected or image.dtype != np.uint8:
            raise CameraError(
                f'RealSense {self._settings.serial}: expected uint8 frames {expected}, found '
                f'{image.dtype} {image.shape}; call open() to set its profile again'
            )
        return Frame(stamp_ns, image)

    def _stamp_ns(self, color: Any) -> int:
        """Capture in Unix time [ns]. The camera's own clock is not ours: then the arrival."""
        rs = sensors.library()
        host_clocks = (rs.timestamp_domain.global_time, rs.timestamp_domain.system_time)
        if color.frame_timestamp_domain in host_clocks:
            return round(color.timestamp * 1e6)
        if not self._warned:
            self._warned = True
            log.warning(
                'RealSense %s stamps frames with its own clock (%s); frames are stamped at their '
                'arrival instead. `dp-ros latency` measures how late that is',
                self._settings.serial,
                color.frame_timestamp_domain.name,
            )
        arrival = rs.frame_metadata_value.time_of_arrival
        if color.supports_frame_metadata(arrival):
            return int(color.get_frame_metadata(arrival)) * 1_000_000
        return time.time_ns()
