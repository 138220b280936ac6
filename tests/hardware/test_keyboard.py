"""The keyboard, through a pseudo-terminal in place of a window."""

import os
import pty
import termios
import time

import pytest

from dp_ros.hardware.input_device import DeviceError
from dp_ros.hardware.keyboard import Keyboard
from dp_ros.paths import share
from dp_ros.teleop_config import KeyboardInput, load_teleop

HOLD_S, LINGER_S = 0.12, 0.7
# X repeats a held key after 0.66 s, 25 times a second.
REPEAT_DELAY_S, REPEAT_S = 0.66, 0.04
X, Y, Z = 0, 1, 2


class Terminal:
    """A keyboard on a terminal of which the test holds the other end; its time is made up."""

    def __init__(self, **settings):
        self.ours, self.file = pty.openpty()
        self.name = os.ttyname(self.file)
        # A newly made terminal may change once more when it is first opened.
        self.before = self.modes()
        keys = {'x': ('w', 's'), 'y': ('left', 'right'), 'z': ('ü', 'ß')}
        self.keyboard = Keyboard(KeyboardInput(type='keyboard', keys=keys, **settings), self.name)
        self.now_s = 100.0

    def modes(self):
        return termios.tcgetattr(self.file)

    def types(self, text):
        """Type `text`; returns when the terminal has it to read."""
        os.write(self.ours, text.encode())
        time.sleep(0.01)

    def read(self, after_s=0.0):
        self.now_s += after_s
        return self.keyboard.read(self.now_s)

    def close(self):
        self.keyboard.close()
        for file in (self.ours, self.file):
            if file >= 0:
                os.close(file)


@pytest.fixture
def terminal():
    made = Terminal()
    made.keyboard.open()
    yield made
    made.close()


def test_nothing_is_pressed_at_first(terminal):
    reading = terminal.read()
    assert reading.axes == (0.0,) * 6
    assert reading.buttons == (False, False, False)


def test_a_tap_is_a_small_step(terminal):
    terminal.types('w')
    assert terminal.read().axes[X] == 1.0
    assert terminal.read(HOLD_S - 0.01).axes[X] == 1.0
    assert terminal.read(0.02).axes[X] == 0.0


def test_the_person_stays_in_command_for_a_while_after_a_key(terminal):
    terminal.types('w')
    assert terminal.read().buttons[0]
    standing = terminal.read(LINGER_S - 0.01)
    assert standing.buttons[0]
    assert not any(standing.axes)
    assert not terminal.read(0.02).buttons[0]


def test_a_held_key_moves_without_a_pause_once_the_terminal_repeats_it(terminal):
    terminal.types('w')
    moved, commanded = [terminal.read().axes[X]], []
    commanded.append(terminal.read(REPEAT_DELAY_S - 0.001).buttons[0])
    for _ in range(25):
        terminal.types('w')
        for _ in range(2):
            reading = terminal.read(REPEAT_S / 2)
            moved.append(reading.axes[X])
            commanded.append(reading.buttons[0])
    assert set(moved) == {1.0}
    assert all(commanded)


@pytest.mark.parametrize(
    ('text', 'axis', 'value'),
    [
        ('s', X, -1.0),
        ('\x1b[D', Y, 1.0),
        ('\x1bOC', Y, -1.0),  # as terminals write it in application mode
        ('ü', Z, 1.0),
        ('ß', Z, -1.0),
    ],
)
def test_keys_move_as_the_settings_say(terminal, text, axis, value):
    terminal.types(text)
    assert terminal.read().axes[axis] == value


def test_the_halves_of_an_arrow_may_come_apart(terminal):
    terminal.types('\x1b')
    assert not any(terminal.read().axes)
    terminal.types('[D')
    assert terminal.read().axes[Y] == 1.0


def test_two_directions_at_once_and_the_other_way_round_at_once(terminal):
    terminal.types('w\x1b[D')
    assert terminal.read().axes[:2] == (1.0, 1.0)
    terminal.types('s')
    assert terminal.read(0.01).axes[:2] == (-1.0, 1.0)


def test_the_speed_keys_are_buttons_and_command_nothing(terminal):
    terminal.types('-')
    assert terminal.read().buttons == (False, True, False)
    terminal.types('+')
    assert terminal.read(1.0).buttons == (False, False, True)


def test_space_gives_the_command_back_at_once(terminal):
    terminal.types('w')
    assert terminal.read().buttons[0]
    terminal.types(' ')
    reading = terminal.read()
    assert not reading.buttons[0]
    assert not any(reading.axes)


@pytest.mark.parametrize('text', ['\t', 'WQ9', '\x1bZ', '\x1b[15~', '\xff', 'w' * 3000])
def test_other_keys_and_floods_do_no_harm(terminal, text):
    terminal.types(text)
    terminal.read()
    terminal.types('s')
    assert terminal.read(0.2).axes[X] == -1.0


def test_bytes_that_are_no_text_do_no_harm(terminal):
    os.write(terminal.ours, b'\xff\xfe\xc3s')
    time.sleep(0.01)
    assert terminal.read().axes[X] == -1.0


def test_the_terminal_reads_key_by_key_without_echo_and_is_put_back(terminal):
    changed = terminal.modes()
    assert not changed[3] & (termios.ICANON | termios.ECHO)
    assert changed[3] & termios.ISIG, 'Ctrl-C must still interrupt'
    terminal.keyboard.close()
    assert terminal.modes() == terminal.before
    terminal.keyboard.close()


def test_what_was_typed_before_is_not_taken_for_a_command():
    terminal = Terminal()
    terminal.types('w\n')
    terminal.keyboard.open()
    assert not any(terminal.read().axes)
    terminal.close()


def test_a_file_is_no_terminal(tmp_path):
    path = tmp_path / 'file'
    path.touch()
    settings = load_teleop(share('config', 'teleop', 'keyboard.yaml')).input
    for wrong in (path, tmp_path / 'nothing'):
        with pytest.raises(DeviceError, match='is no terminal that can be read'):
            Keyboard(settings, str(wrong)).open()


def test_a_terminal_whose_window_was_closed_is_told(terminal):
    os.close(terminal.ours)
    terminal.ours = -1
    with pytest.raises(DeviceError, match='the terminal is gone'):
        terminal.read()
    terminal.keyboard.close()


def test_a_keyboard_that_is_not_open_is_told():
    terminal = Terminal()
    with pytest.raises(DeviceError, match='call open'):
        terminal.read()
    terminal.close()
