"""The gamepad: SDL as it is where no pad is, and a stand-in for pygame where one is needed."""

import sys
from types import SimpleNamespace

import pytest

from dp_ros.hardware.gamepad import Gamepad, library
from dp_ros.hardware.input_device import DeviceError
from dp_ros.teleop_config import GamepadInput

REMOVED = 1541


class Pad:
    """pygame's Joystick: SDL's signs, right and down are positive."""

    def __init__(self, name='Xbox Wireless Controller', number=7):
        self.name, self.number = name, number
        self.axes, self.hat, self.buttons = [0.0] * 6, (0, 0), [0] * 11

    def get_name(self):
        return self.name

    def get_instance_id(self):
        return self.number

    def get_numaxes(self):
        return len(self.axes)

    def get_axis(self, index):
        return self.axes[index]

    def get_numhats(self):
        return 1

    def get_hat(self, index):
        return self.hat

    def get_numbuttons(self):
        return len(self.buttons)

    def get_button(self, index):
        return self.buttons[index]


class Pygame:
    """pygame with these pads plugged in."""

    JOYDEVICEREMOVED = REMOVED

    def __init__(self, *pads):
        self.pads, self.happened, self.running = list(pads), [], set()
        self.display = self._module('display')
        self.joystick = self._module(
            'joystick', get_count=lambda: len(self.pads), Joystick=lambda i: self.pads[i]
        )
        self.event = SimpleNamespace(get=self._events)

    def unplug(self, pad):
        self.pads.remove(pad)
        self.happened.append(SimpleNamespace(type=REMOVED, instance_id=pad.number))

    def _module(self, name, **parts):
        return SimpleNamespace(
            init=lambda: self.running.add(name), quit=lambda: self.running.discard(name), **parts
        )

    def _events(self):
        assert self.running == {'display', 'joystick'}, 'SDL tells nothing before it is started'
        happened, self.happened = self.happened, []
        return happened


def settings(**changes):
    return GamepadInput(type='gamepad', deadman=5, axes={'x': {'index': 1}}, **changes)


def opened(*pads, **changes):
    pygame = Pygame(*pads)
    pad = Gamepad(settings(**changes), pygame)
    pad.open()
    return pad, pygame


def test_left_and_up_are_positive_as_joy_node_has_it():
    pad = Pad()
    gamepad, _ = opened(pad)
    pad.axes, pad.hat = [-1.0, -0.5, 1.0, 0.0, 0.25, 0.0], (-1, 1)
    assert gamepad.read(0.0).axes == (1.0, 0.5, -1.0, 0.0, -0.25, 0.0, 1.0, 1.0)


def test_buttons():
    pad = Pad()
    gamepad, _ = opened(pad)
    pad.buttons[5] = 1
    assert [i for i, pressed in enumerate(gamepad.read(0.0).buttons) if pressed] == [5]


def test_a_pad_that_is_unplugged_is_told_and_opened_again():
    pad, other = Pad(number=1), Pad('Another', number=2)
    gamepad, pygame = opened(pad, other)
    pygame.unplug(other)
    gamepad.read(0.0)
    pygame.unplug(pad)
    with pytest.raises(DeviceError, match='Xbox Wireless Controller was unplugged'):
        gamepad.read(0.0)
    with pytest.raises(DeviceError, match='no gamepad is connected; found: none'):
        gamepad.open()
    pygame.pads = [pad]
    assert gamepad.open() == 'Xbox Wireless Controller'
    gamepad.close()
    gamepad.close()
    assert pygame.running == set()


def test_a_pad_can_be_chosen_by_part_of_its_name():
    gamepad, _ = opened(Pad('Wireless Mouse'), Pad('Xbox 360 pad'), name='xbox')
    assert gamepad.open() == 'Xbox 360 pad'
    with pytest.raises(DeviceError, match=r"no gamepad called 'Sony' .* 'Xbox 360 pad'"):
        opened(Pad('Xbox 360 pad'), name='Sony')


def test_a_pad_that_is_not_open_is_told():
    with pytest.raises(DeviceError, match='call open'):
        Gamepad(settings(), Pygame(Pad())).read(0.0)


def test_without_the_library_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pygame', None)
    with pytest.raises(ImportError, match='pip install pygame'):
        Gamepad(settings())


def test_sdl_itself_runs_without_a_display_and_finds_no_pad_of_a_foreign_name():
    gamepad = Gamepad(settings(name='no pad is called like this'))
    with pytest.raises(DeviceError, match='is connected; found: '):
        gamepad.open()
    # What `read` asks of SDL works in this state.
    pygame = library()
    assert isinstance(pygame.JOYDEVICEREMOVED, int)
    pygame.event.get()
    gamepad.close()
