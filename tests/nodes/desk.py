"""The other side of a teleop node: who speaks for its devices and hears its twists."""

import time
from dataclasses import dataclass

import numpy as np
import yaml
from geometry_msgs.msg import Twist, TwistStamped
from sensor_msgs.msg import Joy

from dp_ros.data import messages
from dp_ros.nodes import convert, topics
from dp_ros.paths import share

TASK = share('config', 'tasks', 'pusht_cell.yaml')
TIMEOUT_S = 0.15
AXES = {name: {'index': i} for i, name in enumerate(('x', 'y', 'z', 'rx', 'ry', 'rz'))}
JOY = {'type': 'joy', 'deadman': 0, 'axes': AXES}
TWIST = {'type': 'twist', 'deadman': 0}


@dataclass(frozen=True)
class Heard:
    """A twist, when it came (monotonic, s), its stamp and the time of ROS then [ns]."""

    time_s: float
    now_ns: int
    stamp_ns: int
    twist: np.ndarray
    released: bool

    @classmethod
    def of(cls, message):
        """A message that came just now."""
        sample = messages.twist_sample(message)
        value, released = np.array(sample.value), messages.releases(message)
        return cls(time.monotonic(), time.time_ns(), sample.stamp_ns, value, released)

    @property
    def still(self):
        return not self.twist.any()


class Desk:
    """The other side of the teleop node: it speaks for the devices, and hears twists.

    stall_s: for how long the busy machine kept the last `run` from going on, at worst.
    """

    def __init__(self, executor, streams):
        self._executor, self.streams = executor, streams
        self.heard, self.stall_s = [], 0.0
        node = streams.node
        twist = topics.TELEOP_TWIST
        node.create_subscription(twist.type, twist.name, self._on_twist, twist.qos)
        self.joy = node.create_publisher(Joy, '/joy', 10)
        self.spacenav_joy = node.create_publisher(Joy, '/spacenav/joy', 10)
        self.spacenav = node.create_publisher(Twist, '/spacenav/twist', 10)
        self.stamped = node.create_publisher(TwistStamped, '/twist', 10)

    def _on_twist(self, message):
        self.heard.append(Heard.of(message))

    def run(self, seconds, say=None, every_s=0.05):
        """Spin for `seconds`, calling `say()` every `every_s`; what was heard meanwhile."""
        first, start, said = len(self.heard), time.monotonic(), 0
        self.stall_s, last_s = 0.0, start
        while time.monotonic() < start + seconds:
            if say is not None and time.monotonic() >= start + said * every_s:
                say()
                said += 1
            self._executor.spin_once(timeout_sec=0.001)
            self.stall_s, last_s = max(self.stall_s, time.monotonic() - last_s), time.monotonic()
        return self.heard[first:]

    def press(self, seconds, say, every_s=0.05, let_go=None):
        """Let go, then `run`; again where the busy machine made a pause that counts as silence."""
        for _ in range(5):
            self.run(0.1, let_go or self.let_go)
            heard = self.run(seconds, say, every_s)
            if self.stall_s < 0.03:
                break
        return heard

    def say(self, *axes, pressed=True, stamp_ns=None, buttons=()):
        """A Joy message."""
        stamp_ns = time.time_ns() if stamp_ns is None else stamp_ns
        axes = [float(axis) for axis in (*axes, *[0.0] * (6 - len(axes)))]
        message = Joy(axes=axes, buttons=[int(pressed), *buttons])
        message.header.stamp = convert.time_message(stamp_ns)
        self.joy.publish(message)

    def let_go(self):
        self.say(pressed=False)

    def ready(self):
        """Until the node hears the joy; the deadman is released."""
        self.until(lambda: self.text == 'ready', self.let_go)

    def until(self, condition, say=None):
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, self.streams.statuses
            self.run(0.05, say)

    def value(self, key):
        """Of the newest diagnostics."""
        status = self.streams.status('teleop')
        return status and status[2].get(key)

    @property
    def text(self):
        status = self.streams.status('teleop')
        return status and status[1]


def device_file(folder, given, **settings):
    path = folder / 'device.yaml'
    path.write_text(yaml.safe_dump({'input': given, 'deadzone': 0.0, **settings}))
    return path


def joint_task(folder):
    content = yaml.safe_load(TASK.read_text())
    content['action'] = {'space': 'joint', 'components': ['a', 'b']}
    path = folder / 'joint.yaml'
    path.write_text(yaml.safe_dump(content))
    return path
