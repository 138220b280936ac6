"""The protocol of every input device that is read directly, without a ROS node of its own."""

from typing import Protocol

from dp_ros.core.teleop import Reading


class DeviceError(Exception):
    """The device cannot do what was asked; the text says what was found and what to do."""


class InputDevice(Protocol):
    """Something that a person moves. All methods are called from one thread, and none waits."""

    def open(self) -> str:
        """Take the device and return what it calls itself, or raise DeviceError.

        Called again after DeviceError from `read` it reconnects.
        """

    def read(self, now_s: float) -> Reading:
        """Its state at `now_s` (monotonic); DeviceError once it is gone."""

    def close(self) -> None:
        """Let go of the device, whatever state it is in; may be called twice."""
