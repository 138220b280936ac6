"""The thread that reads a camera, and opens it again, with growing pauses, when it is gone."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from dp_ros.hardware.camera import Camera, CameraError, Frame

# How long a read may wait before the loop looks whether it is to end.
READ_TIMEOUT_S = 0.2
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
# The rate is that of the last so many frames, and zero once none has come for so long.
RATE_FRAMES = 61
SILENT_S = 1.0


@dataclass(frozen=True)
class CameraState:
    """fault: why no frames come, or ''; the rest counts since the start of the loop.

    rate_hz: by the stamps; dropped: frames that the stamps leave out; repeated: frames with the
    stamp of the one before, which are not passed on; newest_ns: stamp of the newest frame.
    """

    fault: str
    rate_hz: float
    newest_ns: int | None
    silent_s: float
    frames: int
    dropped: int
    repeated: int
    reconnects: int


class CameraLoop:
    """Passes each frame to `on_frame` once; tells `on_change` when a fault comes or goes.

    All methods of the camera, and the two functions, are called in the loop's own thread. What
    else is raised there ends the loop and is told to `on_crash`.
    """

    def __init__(
        self,
        camera: Camera,
        rate_hz: float,
        on_frame: Callable[[Frame], None],
        on_change: Callable[[], None],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._camera, self._period_ns = camera, 1e9 / rate_hz
        self._on_frame, self._on_change, self._on_crash = on_frame, on_change, on_crash
        self._stopping = threading.Event()
        self._fault = ''
        self._frames = self._dropped = self._repeated = self._reconnects = 0
        self._stamps: deque[int] = deque(maxlen=RATE_FRAMES)
        self._heard_s = time.monotonic()
        self._thread = threading.Thread(target=self._guarded, name='camera', daemon=True)

    def start(self) -> None:
        """Open the camera and begin."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Let go of the camera; False if its driver is stuck for more than `timeout_s`."""
        self._stopping.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def state(self) -> CameraState:
        """How it goes; may be called from any thread."""
        stamps = tuple(self._stamps)
        silent_s = time.monotonic() - self._heard_s
        span = stamps[-1] - stamps[0] if stamps else 0
        flowing = span > 0 and silent_s < SILENT_S
        return CameraState(
            fault=self._fault,
            rate_hz=(len(stamps) - 1) * 1e9 / span if flowing else 0.0,
            newest_ns=stamps[-1] if stamps else None,
            silent_s=silent_s,
            frames=self._frames,
            dropped=self._dropped,
            repeated=self._repeated,
            reconnects=self._reconnects,
        )

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._on_crash(error)

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        try:
            while not self._stopping.is_set():
                before = self._frames
                try:
                    self._camera.open()
                    self._stream()
                except CameraError as error:
                    if self._frames > before:
                        pause_s = FIRST_PAUSE_S
                    self._set_fault(str(error))
                    self._stopping.wait(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        finally:
            self._camera.close()

    def _stream(self) -> None:
        # What was captured before the camera was opened is no measure of its rate.
        self._stamps.clear()
        while not self._stopping.is_set():
            frame = self._camera.read(READ_TIMEOUT_S)
            if frame is not None:
                self._take(frame)

    def _take(self, frame: Frame) -> None:
        last_ns = self._stamps[-1] if self._stamps else None
        if frame.stamp_ns == last_ns:
            self._repeated += 1
            return
        self._heard_s = time.monotonic()
        self._on_frame(frame)
        if last_ns is not None and frame.stamp_ns > last_ns:
            self._dropped += max(0, round((frame.stamp_ns - last_ns) / self._period_ns) - 1)
        self._stamps.append(frame.stamp_ns)
        self._frames += 1
        if self._fault:
            self._reconnects += 1
            self._set_fault('')

    def _set_fault(self, fault: str) -> None:
        if fault != self._fault:
            self._fault = fault
            self._on_change()
