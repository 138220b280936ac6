"""Where a person's readings come from: topics of stock nodes, or the device itself."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from geometry_msgs.msg import Twist, TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import Joy

from dp_ros.core.teleop import Reading
from dp_ros.data.messages import nanoseconds
from dp_ros.hardware.gamepad import Gamepad
from dp_ros.hardware.input_device import DeviceError, InputDevice
from dp_ros.hardware.keyboard import Keyboard
from dp_ros.hardware.spacemouse import SpaceMouse
from dp_ros.nodes.topics import SENSOR
from dp_ros.teleop_config import JoyInput, Teleop, TwistInput

# Called with a reading and the ROS time [ns] whose state it tells.
Hear = Callable[[Reading, int], None]
RETRY_S = 1.0
DEVICES: dict[str, Callable[[Any], InputDevice]] = {
    'gamepad': Gamepad,
    'keyboard': Keyboard,
    'spacemouse': SpaceMouse,
}


class Source(Protocol):
    """Calls `Hear` for each reading; all methods are called from one thread."""

    @property
    def name(self) -> str:
        """What it reads."""

    def poll(self) -> str:
        """Called before each twist; why there is no device, or ''."""

    def close(self) -> None:
        """Release what it holds."""


class JoySource:
    """A topic of Joy. A message without a stamp tells the time of its arrival."""

    def __init__(self, node: Node, settings: JoyInput, hear: Hear) -> None:
        self.name = f'Joy on {settings.topic}'
        self._node, self._hear = node, hear
        self._subscription = node.create_subscription(Joy, settings.topic, self._on_joy, SENSOR)

    def poll(self) -> str:
        return ''

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)

    def _on_joy(self, message: Joy) -> None:
        reading = Reading(tuple(message.axes), _pressed(message))
        self._hear(reading, _stamp_ns(self._node, message))


class TwistSource:
    """A topic of twists, with the buttons of a Joy; as old as the older of the two."""

    def __init__(self, node: Node, settings: TwistInput, hear: Hear) -> None:
        kind = 'TwistStamped' if settings.stamped else 'Twist'
        self.name = f'{kind} on {settings.topic}, buttons on {settings.joy}'
        self._node, self._hear = node, hear
        self._axes: tuple[float, ...] = ()
        self._buttons: tuple[bool, ...] = ()
        self._axes_ns = self._buttons_ns = 0
        self._subscriptions = [
            node.create_subscription(
                TwistStamped if settings.stamped else Twist,
                settings.topic,
                self._on_stamped if settings.stamped else self._on_twist,
                SENSOR,
            ),
            node.create_subscription(Joy, settings.joy, self._on_joy, SENSOR),
        ]

    def poll(self) -> str:
        return ''

    def close(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_stamped(self, message: TwistStamped) -> None:
        self._take(message.twist, _stamp_ns(self._node, message))

    def _on_twist(self, message: Twist) -> None:
        self._take(message, _now_ns(self._node))

    def _take(self, twist: Twist, stamp_ns: int) -> None:
        linear, angular = twist.linear, twist.angular
        self._axes = (linear.x, linear.y, linear.z, angular.x, angular.y, angular.z)
        self._axes_ns = stamp_ns
        self._tell()

    def _on_joy(self, message: Joy) -> None:
        self._buttons, self._buttons_ns = _pressed(message), _stamp_ns(self._node, message)
        self._tell()

    def _tell(self) -> None:
        # Until both have come there is nothing to tell.
        if self._axes and self._buttons:
            stamp_ns = min(self._axes_ns, self._buttons_ns)
            self._hear(Reading(self._axes, self._buttons), stamp_ns)


class DeviceSource:
    """A device that is read by this process; one that is gone is opened again each second."""

    def __init__(self, node: Node, device: InputDevice, kind: str, hear: Hear) -> None:
        self.name = kind
        self._kind, self._node, self._device, self._hear = kind, node, device, hear
        self._fault = 'not open'
        self._retry_s = float('-inf')

    def poll(self) -> str:
        now_s = time.monotonic()
        try:
            if self._fault and now_s >= self._retry_s:
                self.name, self._fault = f'{self._kind}: {self._device.open()}', ''
            if not self._fault:
                self._hear(self._device.read(now_s), _now_ns(self._node))
        except DeviceError as error:
            self._device.close()
            self.name, self._fault, self._retry_s = self._kind, str(error), now_s + RETRY_S
        return self._fault

    def close(self) -> None:
        self._device.close()


def make_device(settings: Teleop) -> InputDevice | None:
    """The device that is read directly, not open yet; ImportError where its library is missing."""
    make = DEVICES.get(settings.input.type)
    return make(settings.input) if make else None


def make_source(node: Node, settings: Teleop, device: InputDevice | None, hear: Hear) -> Source:
    """The source of the readings that the device file names."""
    if isinstance(settings.input, JoyInput):
        return JoySource(node, settings.input, hear)
    if isinstance(settings.input, TwistInput):
        return TwistSource(node, settings.input, hear)
    if device is None:
        raise ValueError(f'there is no driver for the input {settings.input.type!r}')
    return DeviceSource(node, device, settings.input.type, hear)


def _pressed(message: Joy) -> tuple[bool, ...]:
    return tuple(button != 0 for button in message.buttons)


def _stamp_ns(node: Node, message: Joy | TwistStamped) -> int:
    return nanoseconds(message.header.stamp) or _now_ns(node)


def _now_ns(node: Node) -> int:
    return int(node.get_clock().now().nanoseconds)
