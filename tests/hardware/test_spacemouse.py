"""The SpaceMouse: pyspacemouse's own decoding, with a stand-in for the USB device below it."""

import struct
import sys

import pyspacemouse
import pytest

from dp_ros.hardware.input_device import DeviceError
from dp_ros.hardware.spacemouse import SpaceMouse
from dp_ros.teleop_config import SpaceMouseInput

FULL = 350
MODEL = 'SpaceMouseCompact'


class Usb:
    """What easyhid calls a device: reports are read one by one, and none is no report."""

    product_string, manufacturer_string, release_number, serial_number = 'mouse', '3D', 1, ''

    def __init__(self):
        self.reports, self.unplugged, self.closed = [], False, 0

    def open(self):
        pass

    def close(self):
        self.closed += 1

    def read(self, size):
        if self.unplugged:
            raise pyspacemouse.device.HIDException('Failed to read from HID device: -1')
        return self.reports.pop(0)[:size] if self.reports else b''


class Library:
    """pyspacemouse as it would be with these devices plugged in."""

    AxisConvention, device = pyspacemouse.AxisConvention, pyspacemouse.device
    get_supported_devices = staticmethod(pyspacemouse.get_supported_devices)

    def __init__(self, connected=(MODEL,), refusal=None):
        self.connected, self.refusal, self.usb = connected, refusal, Usb()

    def get_connected_devices(self):
        if isinstance(self.connected, Exception):
            raise self.connected
        return list(self.connected)

    def open(self, device, axis_convention):
        if self.refusal:
            raise self.refusal
        info = pyspacemouse.get_device_specs()[device]
        info = pyspacemouse.apply_axis_convention(info, axis_convention)
        mouse = pyspacemouse.SpaceMouseDevice(info, self.usb)
        mouse.open()
        return mouse


def settings(**changes):
    return SpaceMouseInput(type='spacemouse', deadman=0, **changes)


@pytest.fixture
def library():
    return Library()


@pytest.fixture
def mouse(library):
    made = SpaceMouse(settings(), library)
    assert made.open() == MODEL
    yield made
    made.close()


def shift(right=0, back=0, down=0):
    """The report of a shifted cap, in the device's own directions."""
    return struct.pack('<Bhhh', 1, right, back, down)


def turn(x=0, y=0, z=0):
    """The report of a turned cap, about the device's own axes."""
    return struct.pack('<Bhhh', 2, x, y, z)


def buttons(bits):
    return struct.pack('<BBB', 3, bits, 0)


def test_at_rest_it_sends_nothing_and_nothing_is_read(mouse):
    reading = mouse.read(0.0)
    assert reading.axes == (0.0,) * 6
    assert reading.buttons == (False, False)


@pytest.mark.parametrize(
    ('report', 'axis', 'value'),
    [
        (shift(back=-FULL), 0, 1.0),  # away from the person: forward
        (shift(right=-FULL), 1, 1.0),  # left
        (shift(down=-FULL), 2, 1.0),  # up
        # Right-handed about forward, left and up; the device turns about right, back and down.
        (turn(y=-FULL), 3, 1.0),
        (turn(x=-FULL), 4, 1.0),
        (turn(z=-FULL), 5, 1.0),
    ],
)
def test_axes_point_as_ros_has_them(mouse, library, report, axis, value):
    library.usb.reports = [report]
    axes = mouse.read(0.0).axes
    assert axes[axis] == pytest.approx(value)
    assert sum(abs(other) for other in axes) == pytest.approx(1.0)
    # Between two reports it is still held, and a device that reports no more is gone or at rest.
    assert mouse.read(0.02).axes == axes
    assert mouse.read(0.2).axes == (0.0,) * 6


def test_a_mouse_that_loses_its_radio_link_moves_nothing_and_keeps_its_deadman(mouse, library):
    library.usb.reports = [buttons(0b01), shift(back=-FULL)]
    held = mouse.read(0.0)
    assert held.axes[0] == pytest.approx(1.0)
    for number in range(500):
        lost = mouse.read(0.02 * number)
    assert lost.axes == (0.0,) * 6
    assert lost.buttons == held.buttons == (True, False)


def test_buttons(mouse, library):
    library.usb.reports = [buttons(0b01)]
    assert mouse.read(0.0).buttons == (True, False)
    library.usb.reports = [buttons(0b10)]
    assert mouse.read(0.0).buttons == (False, True)


def test_all_that_came_since_the_last_read_is_taken(mouse, library):
    library.usb.reports = [
        *(shift(back=-i) for i in range(20)),
        turn(z=-FULL),
        buttons(1),
        shift(back=-FULL),
    ]
    reading = mouse.read(0.0)
    assert (reading.axes[0], reading.axes[5]) == pytest.approx((1.0, 1.0))
    assert reading.buttons[0]
    assert library.usb.reports == []


def test_a_mouse_that_is_unplugged_is_told_and_opened_again(mouse, library):
    library.usb.unplugged = True
    with pytest.raises(DeviceError, match='unplugged'):
        mouse.read(0.0)
    mouse.close()
    assert library.usb.closed == 1
    library.usb = Usb()
    mouse.open()
    assert mouse.read(0.0).axes == (0.0,) * 6


@pytest.mark.parametrize(
    ('connected', 'model', 'words'),
    [
        ((), None, 'no SpaceMouse is connected; found: none'),
        (('SpaceNavigator',), MODEL, f'no {MODEL} is connected; found: SpaceNavigator'),
        ((MODEL,), 'SpaceMouze', "'SpaceMouze' is no SpaceMouse; pyspacemouse knows"),
        (RuntimeError('HID API is probably not installed'), None, 'apt-get install libhidapi'),
    ],
)
def test_a_mouse_that_is_not_there_says_what_is(connected, model, words):
    with pytest.raises(DeviceError, match=words):
        SpaceMouse(settings(model=model), Library(connected)).open()


def test_a_mouse_that_may_not_be_read_says_how():
    library = Library(refusal=RuntimeError('Failed to open device'))
    with pytest.raises(DeviceError, match=r'spacenavd.*hidraw'):
        SpaceMouse(settings(), library).open()


def test_one_of_several_mice_can_be_chosen():
    library = Library(('SpaceNavigator', 'SpaceMousePro'))
    assert SpaceMouse(settings(model='SpaceMousePro'), library).open() == 'SpaceMousePro'


def test_a_mouse_that_is_not_open_is_told(library):
    with pytest.raises(DeviceError, match='call open'):
        SpaceMouse(settings(), library).read(0.0)


def test_without_the_library_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pyspacemouse', None)
    with pytest.raises(ImportError, match=r'pip install .pyspacemouse'):
        SpaceMouse(settings())


def test_the_stand_in_offers_nothing_that_the_library_lacks():
    for name in ('open', 'get_connected_devices', 'get_supported_devices', 'AxisConvention'):
        assert hasattr(pyspacemouse, name)
