"""The keyboard through a plain terminal: neither root nor a window system is needed.

A terminal tells that a key went down, and repeats that while the key is held; it never tells that
a key went up. So each event moves for `hold_s`: a tap is a small step. A held key is silent for
the terminal's delay (0.25 to 0.66 s) before it repeats, and then moves without a pause. For
`linger_s` after the last event the person stays in command, standing still, so that neither that
delay nor a change of keys gives the arm back to the policy. `let_go` gives it back at once.
"""

import contextlib
import os
import termios
import tty
from typing import Any

from dp_ros.core.teleop import AXES, Reading
from dp_ros.hardware.input_device import DeviceError
from dp_ros.teleop_config import KeyboardInput

# Cursor keys as terminals write them, in normal and in application mode.
ARROWS = {
    f'\x1b{mode}{letter}': name
    for mode in '[O'
    for letter, name in zip('ABCD', ('up', 'down', 'right', 'left'))
}
CHUNK = 4096
CLOSED = 'the terminal is gone; start teleoperation again in a new one'


class Keyboard:
    """axes: those of `AXES`, -1, 0 or 1; buttons: in command, slower, faster.

    terminal: a path; what it is set to while open, `close` puts back.
    """

    def __init__(self, settings: KeyboardInput, terminal: str = '/dev/tty') -> None:
        self._settings, self._terminal = settings, terminal
        self._file = -1
        self._before: list[Any] = []
        self._rest = ''
        self._until_s: dict[str, float] = {}
        self._command_until_s = float('-inf')

    def open(self) -> str:
        """Read key by key, without echo; Ctrl-C still interrupts."""
        self.close()
        try:
            self._file = os.open(self._terminal, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
            self._before = termios.tcgetattr(self._file)
            tty.setcbreak(self._file, termios.TCSAFLUSH)
        except (OSError, termios.error) as error:
            self.close()
            raise DeviceError(
                f'{self._terminal} is no terminal that can be read ({error}); run `dp-ros teleop` '
                f'in a terminal, in the foreground'
            ) from error
        self._rest, self._until_s, self._command_until_s = '', {}, float('-inf')
        return f'keyboard on {self._terminal}'

    def read(self, now_s: float) -> Reading:
        """The keys that were told within the last `hold_s` count as held."""
        for key in self._keys():
            self._press(key, now_s)
        held = {key for key, until_s in self._until_s.items() if now_s < until_s}
        axes = []
        for name in AXES:
            plus, minus = self._settings.keys.get(name, ('', ''))
            axes.append(float(plus in held) - float(minus in held))
        slower, faster = self._settings.slower in held, self._settings.faster in held
        return Reading(tuple(axes), (now_s < self._command_until_s, slower, faster))

    def close(self) -> None:
        """Set the terminal as it was."""
        file, self._file = self._file, -1
        if file < 0:
            return
        # It may be gone with its window.
        with contextlib.suppress(OSError, termios.error):
            if self._before:
                termios.tcsetattr(file, termios.TCSADRAIN, self._before)
        os.close(file)

    def _press(self, key: str, now_s: float) -> None:
        if key == self._settings.let_go:
            self._until_s, self._command_until_s = {}, float('-inf')
        for pair in self._settings.keys.values():
            if key in pair:
                self._command_until_s = now_s + self._settings.linger_s
                # Turning round need not wait until the other direction has run out.
                self._until_s |= dict.fromkeys(pair, now_s)
                self._until_s[key] = now_s + self._settings.hold_s
        if key in (self._settings.slower, self._settings.faster):
            self._until_s[key] = now_s + self._settings.hold_s

    def _keys(self) -> list[str]:
        """Keys told since the last call; arrows as up, down, left, right."""
        keys, text = [], self._rest + self._arrived()
        while text:
            if text[:3] in ARROWS:
                keys.append(ARROWS[text[:3]])
                text = text[3:]
            elif len(text) < 3 and any(code.startswith(text) for code in ARROWS):
                break  # the rest of an arrow may still come
            else:
                keys.append(text[0])
                text = text[1:]
        self._rest = text
        return keys

    def _arrived(self) -> str:
        if self._file < 0:
            raise DeviceError('the keyboard is not open; call open() first')
        try:
            arrived = os.read(self._file, CHUNK)
        except BlockingIOError:
            return ''
        except OSError as error:
            raise DeviceError(f'{CLOSED} ({error})') from error
        if not arrived:
            raise DeviceError(CLOSED)
        return arrived.decode('utf-8', 'replace')
