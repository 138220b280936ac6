"""The protocol of every camera: the camera node knows nothing else about it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class CameraError(Exception):
    """The camera cannot do what was asked; the text says what was expected and what to do."""


@dataclass(frozen=True)
class Frame:
    """One picture: image (height, width, 3) uint8, RGB, C-contiguous.

    stamp_ns: when it was captured, in nanoseconds of the host's clock (Unix time).
    """

    stamp_ns: int
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole model [px] of the frames, with ROS's distortion model and its coefficients."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    model: str = 'plumb_bob'
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)


class Camera(Protocol):
    """A stream of colour frames. All methods are called from one thread."""

    def open(self) -> None:
        """Start streaming and let the exposure settle, or raise CameraError within 10 s.

        Called again after CameraError from `read` it reconnects.
        """

    @property
    def intrinsics(self) -> Intrinsics | None:
        """The factory's calibration once open; None where the camera has none."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, never one that was returned before; None if none came in time.

        Raises CameraError when the camera is gone.
        """

    def close(self) -> None:
        """Let go of the camera; returns in bounded time even when it is gone."""
