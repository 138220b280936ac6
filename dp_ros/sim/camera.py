"""A camera of the simulated cell behind the Camera protocol, with the troubles of a real one."""

import math
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from dp_ros.hardware.camera import CameraError, Frame, Intrinsics
from dp_ros.robot import CellCameraSettings
from dp_ros.sim.render import SceneRenderer
from dp_ros.sim.scene_feed import PORT, SceneClient
from dp_ros.sim.sensor_noise import SensorNoise

# A busy machine may pause the cell for a moment; silence of this length is a camera unplugged.
ANSWER_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class _Held:
    """A frame that is on its way until `due_s`, monotonic time."""

    due_s: float
    frame: Frame


class CellCamera:
    """Looks at the cell that answers at `address` and renders what it sees.

    Captures at absolute deadlines, 1 / rate_hz apart; one that is missed is not made up for. A
    frame is held back for delay_s and up to jitter_s more, and comes after those captured before
    it. Which frames are lost and how late the rest is follows from `seed`.
    """

    def __init__(self, address: str, settings: CellCameraSettings, seed: int = 0) -> None:
        self._address, self._settings = address, settings
        self._random = np.random.default_rng(seed)
        self._noise = SensorNoise((settings.height, settings.width, 3), seed)
        self._feed: SceneClient | None = None
        self._renderer: SceneRenderer | None = None
        self._held: deque[_Held] = deque()
        self._next_s = 0.0

    def open(self) -> None:
        """Find the cell; CameraError where it does not answer or nothing can be rendered."""
        self._hang_up()
        settings = self._settings
        self._feed = SceneClient(self._address)
        if self._feed.ask(ANSWER_TIMEOUT_S) is None:
            raise self._lost()
        try:
            if self._renderer is None:
                self._renderer = SceneRenderer(settings.width, settings.height, settings.view)
        except RuntimeError as error:
            raise CameraError(f'view {settings.view!r} of the cell: {error}') from error
        self._next_s = time.monotonic()

    @property
    def intrinsics(self) -> Intrinsics | None:
        """Of the ideal pinhole that MuJoCo renders; pixel centres have whole coordinates."""
        if self._renderer is None:
            return None
        width, height = self._settings.width, self._settings.height
        fovy = math.radians(float(self._renderer.model.cam(self._settings.view).fovy[0]))
        focal = height / 2 / math.tan(fovy / 2)
        return Intrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame; None if none is due in time; CameraError when the cell is gone."""
        until_s = time.monotonic() + timeout_s
        while True:
            now_s = time.monotonic()
            if self._held and self._held[0].due_s <= now_s:
                return self._held.popleft().frame
            if self._next_s <= now_s:
                self._capture(now_s)
                continue
            if until_s <= now_s:
                return None
            due_s = self._held[0].due_s if self._held else until_s
            time.sleep(min(due_s, self._next_s, until_s) - now_s)

    def close(self) -> None:
        """Hang up and free the renderer, in the thread that opened it."""
        self._hang_up()
        renderer, self._renderer = self._renderer, None
        if renderer is not None:
            renderer.close()

    def _capture(self, now_s: float) -> None:
        settings = self._settings
        if self._feed is None or self._renderer is None:
            raise CameraError(f'view {settings.view!r} of the cell is not open; call open() first')
        period_s = 1 / settings.rate_hz
        self._next_s += period_s * (1 + (now_s - self._next_s) // period_s)
        lost, jitter = self._random.random(2)
        if lost < settings.drop:
            return
        scene = self._feed.ask(ANSWER_TIMEOUT_S)
        if scene is None:
            raise self._lost()
        image = self._noise(self._renderer.view(scene.qpos))
        stamp_ns = scene.stamp_ns + round(settings.stamp_late_s * 1e9)
        due_s = now_s + settings.delay_s + settings.jitter_s * float(jitter)
        if self._held:
            due_s = max(due_s, self._held[-1].due_s)
        self._held.append(_Held(due_s, Frame(stamp_ns, image)))

    def _hang_up(self) -> None:
        self._held.clear()
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.close()

    def _lost(self) -> CameraError:
        return CameraError(
            f'the simulated cell does not answer at {self._address}:{PORT} (UDP); expected the '
            f'sim process there, start it'
        )
