"""The teleop node: from Joy, twists and devices to the twist on /teleop/twist."""

import contextlib
import math
import sys
import time

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import Twist, TwistStamped
from sensor_msgs.msg import Joy

from dp_ros.core.teleop import Reading
from dp_ros.hardware.input_device import DeviceError
from dp_ros.nodes import convert, teleop_sources
from dp_ros.nodes.teleop import TeleopNode
from tests.nodes.desk import JOY, TASK, TIMEOUT_S, TWIST, Desk, device_file, joint_task
from tests.nodes.streams import ros


@pytest.fixture
def desk_of(tmp_path, domain):
    """Makes a desk for an input; settings, device objects and node parameters as wanted."""
    with contextlib.ExitStack() as stack:

        def make(given, task=TASK, **settings):
            path = device_file(tmp_path, given, **settings)
            parameters = {'device': path, 'task': task}
            nodes, streams = stack.enter_context(
                ros(lambda: [TeleopNode()], domain, parameters, [])
            )
            streams.silent.add('pose')
            made = Desk(nodes[0].executor, streams)
            made.teleop = nodes[0]
            return made

        yield make


@pytest.mark.parametrize('rate_hz', [10, 20, 50])
def test_joy_of_any_rate_becomes_a_steady_twist_at_50_hz(desk_of, rate_hz):
    desk = desk_of(JOY)
    desk.ready()
    heard = desk.press(1.0, lambda: desk.say(0.5, -1.0), 1 / rate_hz)
    periods = np.diff([one.time_s for one in heard])
    assert np.median(periods) == pytest.approx(0.02, abs=0.002)
    assert periods.max() < 0.04 + desk.stall_s
    steps = np.diff([one.twist for one in heard], axis=0)
    assert np.linalg.norm(steps, axis=1).max() <= 1.0 * 0.02 + 1e-9
    np.testing.assert_allclose(
        heard[-1].twist, [0.1 * 0.5 / 1.118, -0.1 / 1.118, 0, 0, 0, 0], rtol=1e-3
    )
    # Each rests on an input that is no older than one period of it.
    ages = [(one.now_ns - one.stamp_ns) / 1e9 for one in heard]
    assert max(ages) < 1 / rate_hz + 0.02 + desk.stall_s


def test_letting_go_is_told_once_and_then_there_is_silence(desk_of):
    desk = desk_of(JOY)
    desk.ready()
    desk.press(0.35, lambda: desk.say(1.0))
    released_s = time.monotonic()
    desk.let_go()
    heard = desk.run(0.35, desk.let_go)
    assert sum(one.still for one in heard) == 1
    assert heard[-1].still
    assert [one.released for one in heard] == [False] * (len(heard) - 1) + [True]
    assert heard[-1].time_s - released_s < 0.04 + desk.stall_s
    assert desk.run(0.2) == []


def test_silence_is_told_once_and_the_deadman_must_be_pressed_anew(desk_of):
    desk = desk_of(JOY)
    desk.ready()
    desk.press(0.35, lambda: desk.say(1.0))
    desk.say(1.0)
    silent_s = time.monotonic()
    heard = desk.run(0.35)
    assert sum(one.still for one in heard) == 1
    assert heard[-1].still
    assert not any(one.released for one in heard)
    assert TIMEOUT_S - 0.01 < heard[-1].time_s - silent_s < TIMEOUT_S + 0.02 + desk.stall_s
    assert (heard[-1].now_ns - heard[-1].stamp_ns) / 1e9 < 0.02 + desk.stall_s
    # Still held when the topic comes back: nothing, and the person is told what to do.
    assert desk.run(0.25, lambda: desk.say(1.0)) == []
    desk.until(
        lambda: desk.text == 'let the deadman go once, then press it', lambda: desk.say(1.0)
    )
    desk.run(0.1, desk.let_go)
    assert desk.run(0.25, lambda: desk.say(1.0))


def test_a_deadman_that_is_held_at_the_start_moves_nothing(desk_of):
    desk = desk_of(JOY)
    desk.until(
        lambda: desk.text == 'let the deadman go once, then press it', lambda: desk.say(1.0)
    )
    assert desk.heard == []
    desk.run(0.1, desk.let_go)
    assert desk.run(0.25, lambda: desk.say(1.0))


@pytest.mark.parametrize(
    ('bad', 'words'),
    [
        (lambda desk: desk.say(math.nan), 'axis 0 (x) is nan'),
        (lambda desk: desk.joy.publish(Joy(axes=[1.0], buttons=[1])), 'y is axis 1'),
        (lambda desk: desk.say(1.0, stamp_ns=time.time_ns() - 10**9), '1.00 s ago'),
    ],
    ids=['nan', 'few axes', 'old'],
)
def test_nonsense_stops_and_is_told(desk_of, bad, words):
    desk = desk_of(JOY)
    desk.ready()
    desk.press(0.25, lambda: desk.say(1.0))
    heard = desk.run(0.4, lambda: bad(desk))
    assert sum(one.still for one in heard) == 1
    assert heard[-1].still
    desk.until(lambda: words in (desk.text or ''), lambda: bad(desk))
    assert words in desk.value('last_trouble')
    # Once it speaks sense again it can be used again; the trouble is remembered.
    desk.until(lambda: desk.text == 'ready', desk.let_go)
    assert words in desk.value('last_trouble')
    assert desk.run(0.25, lambda: desk.say(1.0))


def test_what_the_task_fixes_stays_and_is_told(desk_of):
    desk = desk_of(JOY)
    desk.ready()
    heard = desk.press(0.4, lambda: desk.say(0.5, 0.0, 1.0, 1.0, 1.0, 1.0))
    np.testing.assert_allclose(heard[-1].twist, [0.05, 0, 0, 0, 0, 0], atol=1e-9)
    assert desk.value('moves') == 'x y'


def test_the_speed_steps_are_told(desk_of):
    desk = desk_of(JOY | {'slower': 1, 'faster': 2}, speed=0.2)

    def idle():
        desk.say(pressed=False, buttons=(0, 0))

    desk.until(lambda: desk.text == 'ready', idle)
    desk.run(0.1, lambda: desk.say(pressed=False, buttons=(1, 0)))
    desk.until(lambda: desk.value('speed_scale') == '0.5', idle)
    assert desk.value('speed_mps') == '0.1'
    heard = desk.press(0.35, lambda: desk.say(1.0, buttons=(0, 0)), let_go=idle)
    assert heard[-1].twist[0] == pytest.approx(0.1)
    assert desk.value('pressed') == 'True'
    desk.until(lambda: float(desk.value('rate_hz')) > 15, idle)
    assert float(desk.value('age_s')) < 0.5
    assert desk.value('device') == 'Joy on /joy'


def test_a_topic_that_says_nothing_is_told(desk_of):
    desk = desk_of(JOY)
    desk.until(lambda: desk.text == 'Joy on /joy: silent')
    assert desk.value('age_s') == 'inf'
    assert desk.heard == []


@pytest.mark.parametrize('stamped', [False, True])
def test_twists_count_while_the_deadman_of_a_joy_is_pressed(desk_of, stamped):
    given = TWIST | ({'stamped': True, 'topic': '/twist'} if stamped else {})
    desk = desk_of(given)
    twist = Twist()
    twist.linear.x, twist.linear.y, twist.linear.z = 0.6, 0.8, 5.0

    def say(pressed, moving=True):
        desk.spacenav_joy.publish(Joy(axes=[0.0] * 6, buttons=[int(pressed), 0]))
        if moving and stamped:
            message = TwistStamped(twist=twist)
            message.header.stamp = convert.time_message(time.time_ns())
            desk.stamped.publish(message)
        elif moving:
            desk.spacenav.publish(twist)

    desk.until(lambda: desk.text == 'ready', lambda: say(False))
    heard = desk.press(0.35, lambda: say(True), let_go=lambda: say(False))
    np.testing.assert_allclose(heard[-1].twist[:3], [0.06, 0.08, 0], atol=1e-9)
    assert (heard[-1].now_ns - heard[-1].stamp_ns) / 1e9 < 0.07 + desk.stall_s
    # A device whose twists cease is silent, though its buttons still speak.
    heard = desk.run(0.35, lambda: say(True, moving=False))
    assert sum(one.still for one in heard) == 1
    assert heard[-1].still
    desk.press(0.2, lambda: say(True), let_go=lambda: say(False))
    heard = desk.run(0.25, lambda: say(False))
    assert sum(one.still for one in heard) == 1
    assert heard[-1].still


class Stick:
    """A device as the package's drivers are: one axis, one button."""

    def __init__(self):
        self.axis, self.pressed, self.fault, self.open_times = 0.0, False, '', []

    def open(self):
        self.open_times.append(time.monotonic())
        self._check()
        return 'a stick'

    def read(self, now_s):
        self._check()
        return Reading((self.axis,), (self.pressed,))

    def close(self):
        self.closed = True

    def _check(self):
        if self.fault:
            raise DeviceError(self.fault)


STICK = {'type': 'gamepad', 'deadman': 0, 'axes': {'x': {'index': 0}}}


def test_a_device_that_is_unplugged_stops_and_is_opened_again(desk_of, monkeypatch):
    stick = Stick()
    stick.fault = 'no stick is connected'
    monkeypatch.setitem(teleop_sources.DEVICES, 'gamepad', lambda _: stick)
    desk = desk_of(STICK)
    desk.until(lambda: desk.text == 'no stick is connected')
    stick.fault = ''
    desk.until(lambda: desk.text == 'ready')
    assert desk.value('device') == 'gamepad: a stick'
    stick.axis, stick.pressed = 1.0, True
    heard = desk.run(0.35)
    assert heard[-1].twist[0] == pytest.approx(0.1)
    stick.fault = 'unplugged'
    unplugged_s = time.monotonic()
    heard = desk.run(0.2)
    assert sum(one.still for one in heard) == 1
    assert heard[-1].still
    assert heard[-1].time_s - unplugged_s < 0.04 + desk.stall_s
    desk.until(lambda: desk.text == 'unplugged')
    stick.fault = ''
    # It comes back with the button held: not before it was released.
    desk.until(lambda: desk.text == 'let the deadman go once, then press it')
    assert desk.run(0.2) == []
    stick.pressed = False
    desk.run(0.1)
    stick.pressed = True
    assert desk.run(0.2)
    assert np.diff(stick.open_times).min() > 0.9


@pytest.mark.parametrize('transition', ['deactivate', 'shutdown'])
def test_a_node_that_ends_lets_go_of_arm_and_device(desk_of, monkeypatch, transition):
    stick = Stick()
    monkeypatch.setitem(teleop_sources.DEVICES, 'gamepad', lambda _: stick)
    desk = desk_of(STICK)
    desk.until(lambda: desk.text == 'ready')
    stick.axis, stick.pressed = 1.0, True
    assert desk.run(0.2)
    getattr(desk.teleop, f'trigger_{transition}')()
    heard = desk.run(0.2)
    assert heard[-1].still
    assert sum(one.still for one in heard) == 1
    assert stick.closed
    if transition == 'deactivate':
        # Again active, it does not go on where it was.
        desk.teleop.trigger_activate()
        assert desk.run(0.2) == []


@pytest.mark.parametrize(
    ('given', 'task', 'words'),
    [
        (JOY, 'joint', 'has joint actions; teleoperation moves the tool centre point'),
        (JOY | {'axes': {'z': {'index': 0}}}, 'planar', 'nothing would move'),
        ({'type': 'joy'}, 'planar', "'input.joy.deadman' is missing"),
        ({'type': 'spacemouse', 'deadman': 0}, 'planar', 'pip install'),
    ],
)
def test_what_cannot_work_ends_in_a_sentence(tmp_path, domain, monkeypatch, given, task, words):
    monkeypatch.setitem(sys.modules, 'pyspacemouse', None)
    tasks = {'planar': TASK, 'joint': joint_task(tmp_path)}
    arguments = ['--ros-args', '-p', f'device:={device_file(tmp_path, given)}']
    rclpy.init(args=[*arguments, '-p', f'task:={tasks[task]}'], domain_id=domain)
    node = TeleopNode()
    try:
        node.trigger_configure()
        assert words in node.hopeless
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
