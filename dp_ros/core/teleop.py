"""What a person does with an input device -> the twist that the tool centre point shall follow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dp_ros.core.stamped import Array, frozen_array

AxisName = Literal['x', 'y', 'z', 'rx', 'ry', 'rz']
AXES: tuple[AxisName, ...] = ('x', 'y', 'z', 'rx', 'ry', 'rz')
Six = tuple[bool, bool, bool, bool, bool, bool]
STANDSTILL = frozen_array(np.zeros(6))


class InputError(ValueError):
    """An input that counts as none; the text says what was expected and what came."""


@dataclass(frozen=True)
class Reading:
    """The state of an input device: deflections in [-1, 1], and which buttons are pressed."""

    axes: tuple[float, ...]
    buttons: tuple[bool, ...]


@dataclass(frozen=True)
class DeviceAxis:
    """One axis of a device: its number, and a factor that turns or weakens it."""

    index: int
    scale: float = 1.0


@dataclass(frozen=True)
class TwistMap:
    """A reading -> the twist (6,): linear [m/s], angular [rad/s], in the base frame.

    axes: of the device, for x y z rx ry rz; None: that axis is not moved. free: whether the task
    lets an axis move. Full deflection is `speed` [m/s] or `angular_speed` [rad/s], and so is that
    of two axes at once. A deflection within `deadzone` is none; it rises from 0 at its edge.
    """

    axes: tuple[DeviceAxis | None, ...]
    free: Six
    speed: float
    angular_speed: float
    deadzone: float = 0.0

    def __call__(self, reading: Reading) -> Array:
        """Raises InputError where an axis is missing or not a finite number."""
        deflection = [
            0.0 if axis is None or not free else self._deflection(name, axis, reading)
            for name, axis, free in zip(AXES, self.axes, self.free, strict=True)
        ]
        linear, angular = _within_unit(deflection[:3]), _within_unit(deflection[3:])
        return np.concatenate([linear * self.speed, angular * self.angular_speed])

    def _deflection(self, name: str, axis: DeviceAxis, reading: Reading) -> float:
        if axis.index >= len(reading.axes):
            raise InputError(
                f'{name} is axis {axis.index} of the device, and it sends {len(reading.axes)} '
                f'axes (counted from 0); name another one in the device file'
            )
        raw = reading.axes[axis.index]
        if not math.isfinite(raw):
            raise InputError(f'axis {axis.index} ({name}) is {raw}; expected a number in [-1, 1]')
        beyond = max(0.0, min(abs(raw), 1.0) - self.deadzone) / (1.0 - self.deadzone)
        return math.copysign(beyond, raw) * axis.scale


@dataclass(frozen=True)
class Slew:
    """How fast a twist may change: acceleration [m/s^2] and angular_acceleration [rad/s^2]."""

    acceleration: float
    angular_acceleration: float

    def __call__(self, twist: Array, wanted: Array, period_s: float) -> Array:
        """The twist (6,) one period after `twist`: straight towards `wanted`, never beyond it."""
        linear = _towards(twist[:3], wanted[:3], self.acceleration * period_s)
        angular = _towards(twist[3:], wanted[3:], self.angular_acceleration * period_s)
        return np.concatenate([linear, angular])


def _within_unit(values: Sequence[float]) -> Array:
    vector = np.array(values)
    return vector / max(1.0, float(np.linalg.norm(vector)))


def _towards(value: Array, wanted: Array, step: float) -> Array:
    difference = wanted - value
    distance = float(np.linalg.norm(difference))
    return wanted if distance <= step else value + difference * (step / distance)
