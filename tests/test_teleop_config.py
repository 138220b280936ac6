"""The device file: what ships, what is refused, and what it means for a task."""

import pytest

from dp_ros import yamlfile
from dp_ros.core.deadman import Buttons
from dp_ros.core.teleop import DeviceAxis, Reading
from dp_ros.paths import share
from dp_ros.teleop_config import Teleop, load_teleop
from dp_ros.yamlfile import ConfigError

SHIPPED = sorted(share('config', 'teleop').glob('*.yaml'))
ALL_FREE = (True,) * 6
PLANAR = (True, True, False, False, False, False)
JOY = {'type': 'joy', 'deadman': 4, 'axes': {'x': {'index': 1}}}
KEYBOARD = {'type': 'keyboard', 'keys': {'x': ['w', 's']}}


def parse(given, **settings):
    return yamlfile.parse(Teleop, {'input': given, **settings}, 'device.yaml')


def fault(given, **settings):
    with pytest.raises(ConfigError) as caught:
        parse(given, **settings)
    return str(caught.value)


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.stem)
def test_shipped_device_files_load_and_move_something_in_a_planar_task(path):
    settings = load_teleop(path)
    full = Reading((1.0,) * 8, (True,) * 11)
    assert settings.twist_map(PLANAR, str(path))(full)[:2].any()
    # The stop must come well before the executor finds the last twist too old.
    assert settings.timeout_s <= 0.15
    assert settings.frame == 'base'


def test_what_ships():
    found = {path.stem: load_teleop(path).input.type for path in SHIPPED}
    assert found == {
        'joy_scripted': 'joy',
        'keyboard': 'keyboard',
        'spacemouse': 'spacemouse',
        'spacenav': 'twist',
        'xbox': 'gamepad',
        'xbox_joy': 'joy',
    }


def test_a_pad_is_numbered_the_same_through_joy_node_and_directly():
    pads = [
        load_teleop(share('config', 'teleop', f'{name}.yaml')) for name in ('xbox', 'xbox_joy')
    ]
    direct, through_ros = (
        pad.model_dump(exclude={'input': {'type', 'topic', 'name'}}) for pad in pads
    )
    assert direct == through_ros


def test_numbers_and_signs_are_taken_over():
    given = JOY | {'slower': 0, 'axes': {'x': {'index': 1}, 'rz': {'index': 3, 'scale': -0.5}}}
    settings = parse(given)
    assert settings.input.buttons == Buttons(4, 0, None)
    rz = DeviceAxis(3, -0.5)
    assert settings.input.device_axes == (DeviceAxis(1), None, None, None, None, rz)


def test_a_keyboard_needs_no_numbers():
    settings = parse(KEYBOARD | {'keys': {'y': ['left', 'right']}})
    assert settings.input.device_axes == (None, DeviceAxis(1), None, None, None, None)
    assert settings.input.buttons == Buttons(0, 1, 2)


@pytest.mark.parametrize(
    ('given', 'settings', 'words'),
    [
        (JOY | {'type': 'wheel'}, {}, ['wheel', 'joy', 'keyboard']),
        ({'type': 'joy', 'axes': {'x': {'index': 1}}}, {}, ["'input.joy.deadman' is missing"]),
        (JOY | {'deadmann': 3}, {}, ["unknown key 'input.joy.deadmann'", "mean 'deadman'"]),
        (JOY | {'deadman': -1}, {}, ['input.joy.deadman', 'found -1']),
        (JOY | {'slower': 4}, {}, ['must be different buttons', '[4, 4]']),
        (JOY | {'axes': {}}, {}, ['input.joy.axes']),
        (JOY | {'axes': {'yaw': {'index': 1}}}, {}, ['yaw', 'found']),
        (JOY | {'axes': {'x': {'index': -1}}}, {}, ['axes.x.index', 'found -1']),
        (JOY | {'axes': {'x': {'index': 1, 'scale': 2}}}, {}, ['axes.x.scale', 'found 2']),
        (JOY | {'topic': 'joy'}, {}, ['topic', "found 'joy'"]),
        (KEYBOARD | {'keys': {'x': ['w']}}, {}, ['keyboard.keys.x']),
        (KEYBOARD | {'keys': {'x': ['w', 'shift']}}, {}, ["['shift'] are no keys", 'up, down']),
        (KEYBOARD | {'keys': {'x': ['w', 'w']}}, {}, ['a key may mean one thing only']),
        (KEYBOARD | {'let_go': 's'}, {}, ['a key may mean one thing only']),
        (KEYBOARD | {'hold_s': 0.5}, {}, ['hold_s', 'found 0.5']),
        (JOY, {'speed': 0}, ['speed', 'found 0']),
        (JOY, {'speed': float('nan')}, ['speed']),
        (JOY, {'acceleration': -1}, ['acceleration', 'found -1']),
        (JOY, {'deadzone': 1}, ['deadzone', 'found 1']),
        (JOY, {'frame': 'tool'}, ["frame: Input should be 'base'"]),
        # Beyond this the executor refuses a twist before its input counts as silent.
        (JOY, {'timeout_s': 0.3}, ['timeout_s', 'found 0.3']),
    ],
)
def test_a_wrong_device_file_names_the_key(given, settings, words):
    text = fault(given, **settings)
    assert text.startswith('device.yaml: ')
    assert all(word in text for word in words), text


def test_a_device_that_moves_nothing_of_a_task_is_refused():
    settings = parse(JOY | {'axes': {'z': {'index': 1}}})
    settings.twist_map(ALL_FREE, 'device.yaml')
    with pytest.raises(ValueError, match=r'device.yaml moves z, and the task leaves x y free'):
        settings.twist_map(PLANAR, 'device.yaml')
    with pytest.raises(ValueError, match='leaves no axis free'):
        settings.twist_map((False,) * 6, 'device.yaml')
