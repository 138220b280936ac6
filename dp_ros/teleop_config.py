"""The device file: which input device a person moves, and what its axes and buttons mean."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dp_ros import yamlfile
from dp_ros.core.deadman import Buttons
from dp_ros.core.teleop import AXES, AxisName, DeviceAxis, Six, Slew, TwistMap

Topic = Annotated[str, Field(pattern=r'^/')]
Button = Annotated[int, Field(ge=0)]
# Keys that are more than a character.
ARROW_KEYS = ('up', 'down', 'left', 'right')


class Axis(yamlfile.Settings):
    """An axis of the device, counted from 0."""

    index: int = Field(ge=0)
    scale: float = Field(default=1.0, ge=-1, le=1, description='-1 turns it round')


class _Panel(yamlfile.Settings):
    """A device with numbered axes and buttons."""

    deadman: Button = Field(description='held while the arm shall follow')
    slower: Button | None = Field(default=None, description='halves the speed, down to a tenth')
    faster: Button | None = Field(default=None, description='doubles it again')
    axes: dict[AxisName, Axis] = Field(min_length=1)

    @model_validator(mode='after')
    def _buttons_differ(self) -> '_Panel':
        given = [b for b in (self.deadman, self.slower, self.faster) if b is not None]
        if len(set(given)) != len(given):
            raise ValueError(
                f'deadman, slower and faster must be different buttons; found {given}'
            )
        return self

    @property
    def buttons(self) -> Buttons:
        """Which button does what."""
        return Buttons(self.deadman, self.slower, self.faster)

    @property
    def device_axes(self) -> tuple[DeviceAxis | None, ...]:
        """The device's axes for x y z rx ry rz."""
        return tuple(
            DeviceAxis(self.axes[name].index, self.axes[name].scale) if name in self.axes else None
            for name in AXES
        )


class JoyInput(_Panel):
    """sensor_msgs/Joy, as the stock joy_node publishes it."""

    type: Literal['joy']
    topic: Topic = '/joy'


class TwistInput(_Panel):
    """geometry_msgs/Twist or TwistStamped with the buttons of a Joy, as spacenav_node has them.

    Its axes 0 to 5 are the twist's linear x y z and angular x y z; 1 is full speed.
    """

    type: Literal['twist']
    topic: Topic = '/spacenav/twist'
    stamped: bool = Field(default=False, description='TwistStamped')
    joy: Topic = Field(default='/spacenav/joy', description='where the buttons come from')
    axes: dict[AxisName, Axis] = Field(
        default={name: Axis(index=i) for i, name in enumerate(AXES)}, min_length=1
    )


class SpaceMouseInput(_Panel):
    """A 3Dconnexion SpaceMouse (hardware/spacemouse.py).

    Its axes 0 to 5 are x forward, y left, z up, and the rotations about them.
    """

    type: Literal['spacemouse']
    model: str | None = Field(default=None, description='as pyspacemouse calls it; None: any')
    axes: dict[AxisName, Axis] = Field(
        default={name: Axis(index=i) for i, name in enumerate(AXES)}, min_length=1
    )


class GamepadInput(_Panel):
    """A gamepad (hardware/gamepad.py), axes and buttons numbered as by the stock joy_node."""

    type: Literal['gamepad']
    name: str | None = Field(default=None, description='part of its name; None: the first one')


class KeyboardInput(yamlfile.Settings):
    """The keys of a terminal (hardware/keyboard.py): single characters, or up down left right."""

    type: Literal['keyboard']
    keys: dict[AxisName, tuple[str, str]] = Field(min_length=1, description='plus, minus')
    slower: str = '-'
    faster: str = '+'
    let_go: str = Field(default=' ', description='gives the command back at once')
    hold_s: float = Field(default=0.12, gt=0, le=0.2, description='how long a key event moves')
    linger_s: float = Field(
        default=0.7, gt=0, le=2, description='how long the person commands after the last key'
    )

    @model_validator(mode='after')
    def _keys_differ(self) -> 'KeyboardInput':
        pairs = [key for pair in self.keys.values() for key in pair]
        given = [*pairs, self.slower, self.faster, self.let_go]
        wrong = [key for key in given if len(key) != 1 and key not in ARROW_KEYS]
        if wrong:
            raise ValueError(
                f'{wrong} are no keys; expected single characters or {", ".join(ARROW_KEYS)}'
            )
        if len(set(given)) != len(given):
            raise ValueError(f'a key may mean one thing only; found {given}')
        return self

    @property
    def buttons(self) -> Buttons:
        """Which button does what."""
        return Buttons(0, 1, 2)

    @property
    def device_axes(self) -> tuple[DeviceAxis | None, ...]:
        """The device's axes for x y z rx ry rz."""
        return tuple(DeviceAxis(i) if name in self.keys else None for i, name in enumerate(AXES))


Input = Annotated[
    JoyInput | TwistInput | SpaceMouseInput | GamepadInput | KeyboardInput,
    Field(discriminator='type'),
]


class Teleop(yamlfile.Settings):
    """One device and how fast the tool centre point follows it."""

    speed: float = Field(default=0.1, gt=0, description='at full deflection [m/s]')
    angular_speed: float = Field(default=0.5, gt=0, description='[rad/s]')
    acceleration: float = Field(default=1.0, gt=0, description='of the commanded twist [m/s^2]')
    angular_acceleration: float = Field(default=5.0, gt=0, description='[rad/s^2]')
    frame: Literal['base'] = Field(default='base', description='in which the axes point')
    timeout_s: float = Field(
        default=0.15, ge=0.02, le=0.2, description='silence after which the deadman is released'
    )
    deadzone: float = Field(default=0.05, ge=0, le=0.9, description='share of full deflection')
    input: Input

    def twist_map(self, free: Six, origin: str) -> TwistMap:
        """What moves of the axes that a task leaves free; ValueError naming the file if none."""
        axes = self.input.device_axes
        if not any(axis and may for axis, may in zip(axes, free, strict=True)):
            offered = [name for name, axis in zip(AXES, axes, strict=True) if axis]
            left = [name for name, may in zip(AXES, free, strict=True) if may]
            raise ValueError(
                f'{origin} moves {" ".join(offered)}, and the task leaves '
                f'{" ".join(left) or "no axis"} free: nothing would move'
            )
        return TwistMap(axes, free, self.speed, self.angular_speed, self.deadzone)

    @property
    def slew(self) -> Slew:
        """How fast the twist may change."""
        return Slew(self.acceleration, self.angular_acceleration)


def load_teleop(path: Path | str) -> Teleop:
    """Read a device file; raises yamlfile.ConfigError."""
    return yamlfile.load(Teleop, path)
