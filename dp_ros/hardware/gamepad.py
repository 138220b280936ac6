"""A gamepad through pygame, that is SDL: what the stock joy_node reads it with, too."""

import os
import warnings
from typing import Any

from dp_ros.core.teleop import Reading
from dp_ros.hardware.input_device import DeviceError
from dp_ros.teleop_config import GamepadInput

# Neither a display nor a window is there; SDL would drop what comes without one, and take signals.
ENVIRONMENT = {
    'PYGAME_HIDE_SUPPORT_PROMPT': '1',
    'SDL_VIDEODRIVER': 'dummy',
    'SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS': '1',
    'SDL_NO_SIGNAL_HANDLERS': '1',
}


def library() -> Any:
    """The module pygame; ImportError with the way to install it."""
    os.environ.update(ENVIRONMENT)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'pkg_resources is deprecated')  # pygame's own matter
            import pygame
    except ImportError as error:
        raise ImportError(
            f'a gamepad is read through pygame ({error}); install it with: pip install pygame'
        ) from error
    return pygame


class Gamepad:
    """axes and buttons as joy_node numbers and turns them: left and up are positive, hats last.

    lib: the module pygame or a stand-in.
    """

    def __init__(self, settings: GamepadInput, lib: Any = None) -> None:
        self._settings = settings
        self._lib = lib or library()
        self._pad: Any = None

    def open(self) -> str:
        """The first pad whose name holds the settings' one."""
        self.close()
        self._lib.display.init()
        self._lib.joystick.init()
        found = [self._lib.joystick.Joystick(i) for i in range(self._lib.joystick.get_count())]
        wanted = (self._settings.name or '').casefold()
        fitting = [pad for pad in found if wanted in pad.get_name().casefold()]
        if not fitting:
            names = ', '.join(repr(pad.get_name()) for pad in found) or 'none'
            kind = f'gamepad called {self._settings.name!r}' if wanted else 'gamepad'
            raise DeviceError(
                f'no {kind} is connected; found: {names}. Plug it in, and see that /dev/input/'
                f'event* may be read: the group input, usermod -aG input $USER'
            )
        self._pad = fitting[0]
        return str(self._pad.get_name())

    def read(self, now_s: float) -> Reading:
        """Its state; an axis that was never moved is at 0."""
        if self._pad is None:
            raise DeviceError('the gamepad is not open; call open() first')
        for event in self._lib.event.get():
            removed = event.type == self._lib.JOYDEVICEREMOVED
            if removed and event.instance_id == self._pad.get_instance_id():
                raise DeviceError(f'{self._pad.get_name()} was unplugged')
        axes = [-self._pad.get_axis(i) for i in range(self._pad.get_numaxes())]
        for i in range(self._pad.get_numhats()):
            right, up = self._pad.get_hat(i)
            axes += [-right, up]
        buttons = (bool(self._pad.get_button(i)) for i in range(self._pad.get_numbuttons()))
        return Reading(tuple(float(axis) for axis in axes), tuple(buttons))

    def close(self) -> None:
        """Let go of the pad and of SDL."""
        self._pad = None
        self._lib.joystick.quit()
        self._lib.display.quit()
