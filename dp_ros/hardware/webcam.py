"""A webcam (V4L2), or a video file in its place, through OpenCV.

V4L2's capture times do not pass through OpenCV, so frames are stamped when they arrive;
`dp-ros latency` measures how far that lies behind the capture. OpenCV's read waits up to 10 s and
knows no timeout: a thread of its own calls it, and takes each frame as soon as it is there.
"""

import glob
import stat
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dp_ros.hardware.camera import CameraError, Frame, Intrinsics
from dp_ros.robot import WebcamSettings

# The first frame comes later than this from no camera that works.
START_S = 5.0
STOP_S = 2.0
# Values of V4L2_CID_EXPOSURE_AUTO.
MANUAL, APERTURE_PRIORITY = 1, 3


class Webcam:
    """Camera at a device such as /dev/v4l/by-id/..., or the frames of a video file in order."""

    def __init__(self, settings: WebcamSettings) -> None:
        self._settings = settings
        self._reader: _Reader | None = None

    @property
    def intrinsics(self) -> Intrinsics | None:
        """None: a webcam carries no calibration."""
        return None

    def open(self) -> None:
        """Start streaming, let the exposure settle; CameraError if it does not do as asked."""
        self.close()
        settings = self._settings
        path = Path(settings.device)
        if not path.exists():
            raise CameraError(
                f'no camera at {path}; there are: {_devices()}. Plug it in, or name the one meant '
                f'in the robot file'
            )
        live = stat.S_ISCHR(path.stat().st_mode)
        capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2 if live else cv2.CAP_FFMPEG)
        try:
            if not capture.isOpened():
                raise CameraError(
                    f'{path} does not open; expected a camera that no other program holds, and '
                    f'that you may read (group video), or a video file. Cameras: {_devices()}'
                )
            if live:
                request(capture, settings)
            verify(capture, settings)
        except CameraError:
            capture.release()
            raise
        self._reader = _Reader(capture, settings, live)
        try:
            self._warm_up(self._reader)
        except CameraError:
            self.close()
            raise

    def read(self, timeout_s: float) -> Frame | None:
        """The newest frame not returned yet; None after timeout_s [s]; CameraError once gone."""
        if self._reader is None:
            raise CameraError(f'{self._settings.device} is not open; call open() first')
        return self._reader.take(timeout_s)

    def close(self) -> None:
        """Let go of the device; a read that hangs in the driver is not waited for long."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()

    def _warm_up(self, reader: '_Reader') -> None:
        if not reader.wait(START_S):
            raise CameraError(
                f'{self._settings.device} sent no frame for {START_S:g} s after its start; replug '
                f'it, or try another port'
            )
        until = time.monotonic() + self._settings.warm_up_s
        while (left_s := until - time.monotonic()) > 0:
            reader.take(left_s)


class _Reader:
    """Reads in a thread and hands over one frame: the newest of a camera, the next of a file."""

    def __init__(self, capture: cv2.VideoCapture, settings: WebcamSettings, live: bool) -> None:
        self._capture, self._settings, self._live = capture, settings, live
        self._frame: Frame | None = None
        self._failure: str | None = None
        self._stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Whether a frame is there within timeout_s [s]; CameraError when none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame or self._failure, timeout_s)
            if self._frame is None and self._failure:
                raise CameraError(self._failure)
            if self._frame is None and not Path(self._settings.device).exists():
                raise CameraError(
                    f'{self._settings.device} was unplugged; call open() to reconnect'
                )
            return self._frame is not None

    def take(self, timeout_s: float) -> Frame | None:
        """The frame that is there within timeout_s [s], once."""
        self.wait(timeout_s)
        with self._changed:
            frame, self._frame = self._frame, None
            self._changed.notify_all()
            return frame

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        try:
            while self._failure is None and self._may_go_on():
                arrived, read = self._capture.read()
                stamp_ns = time.time_ns()
                image = np.asarray(read)
                with self._changed:
                    if arrived:
                        self._failure = _fault(image, self._settings)
                    else:
                        self._failure = (
                            f'{self._settings.device} sends nothing more: unplugged, or the end '
                            f'of a video file; call open() to start again'
                        )
                    if self._failure is None:
                        self._frame = Frame(stamp_ns, _rgb(image))
                    self._changed.notify_all()
        finally:
            self._capture.release()

    def _may_go_on(self) -> bool:
        """A file waits until its frame is taken; a camera does not wait."""
        with self._changed:
            if not self._live:
                self._changed.wait_for(lambda: self._stopped or self._frame is None)
            return not self._stopped


def request(capture: cv2.VideoCapture, settings: WebcamSettings) -> None:
    """Ask a camera for size, rate, exposure and one buffer; Motion JPEG where raw is too slow."""
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    for code in ('YUYV', 'MJPG'):
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*code))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
        capture.set(cv2.CAP_PROP_FPS, settings.rate_hz)
        if _gives(capture) == _wanted(settings):
            break
    if settings.exposure is None:
        capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, APERTURE_PRIORITY)
        return
    capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, MANUAL)
    capture.set(cv2.CAP_PROP_EXPOSURE, settings.exposure)
    found = capture.get(cv2.CAP_PROP_EXPOSURE)
    if found != settings.exposure:
        raise CameraError(
            f'{settings.device}: exposure is {found:g}, expected {settings.exposure:g}; choose '
            f'one that `v4l2-ctl --list-ctrls` allows, or null for automatic exposure'
        )


def verify(capture: cv2.VideoCapture, settings: WebcamSettings) -> None:
    """Raise CameraError unless it gives the size and rate that were asked for."""
    found, wanted = _gives(capture), _wanted(settings)
    if found != wanted:
        raise CameraError(
            '{}: gives {}x{}@{}, expected {}x{}@{}; choose one that `v4l2-ctl '
            '--list-formats-ext` lists, and set it in the robot file'.format(
                settings.device, *found, *wanted
            )
        )


def _gives(capture: cv2.VideoCapture) -> tuple[int, int, int]:
    """width, height, rate [Hz] to the nearest whole: 29.97 is 30."""
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    return round(width), round(height), round(capture.get(cv2.CAP_PROP_FPS))


def _wanted(settings: WebcamSettings) -> tuple[int, int, int]:
    return settings.width, settings.height, settings.rate_hz


def _rgb(bgr: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _fault(image: NDArray[Any], settings: WebcamSettings) -> str | None:
    """Why this is no frame; None if it is one."""
    expected = (settings.height, settings.width, 3)
    if image.shape == expected and image.dtype == np.uint8:
        return None
    return (
        f'{settings.device}: expected uint8 frames {expected}, found {image.dtype} {image.shape}; '
        f'call open() to set its format again'
    )


def _devices() -> str:
    return ', '.join(sorted(glob.glob('/dev/video*'))) or 'no /dev/video*'
