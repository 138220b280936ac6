"""Streams as a cell publishes them, in one process with the nodes under test."""

import contextlib
import time

import cv2
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock

from dp_ros.nodes import convert, images, topics

POSE = np.array([0.4, 0.1, 0.005, 1.0, 0, 0, 0])
WIDTH, HEIGHT = 320, 240
POSE_PERIOD_NS, FRAME_PERIOD_NS = 16_000_000, 33_000_000


def noisy_frame(number):
    """A frame that no other equals."""
    coarse = np.random.default_rng(number).integers(60, 200, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT))


class Streams:
    """Publishes poses and frames with the stamps that are due, and keeps the diagnostics.

    frame(number) -> pixels, changed() -> the message as it is to be sent: what a test may replace.
    clock_ns() is the time that the stamps tell; with `simulated` it is published as /clock.
    """

    def __init__(self, executor, cameras, jpeg=(), simulated=False):
        self.node = rclpy.create_node('streams')
        self._executor = executor
        executor.add_node(self.node)
        self._pose = topics.TCP_POSE.publisher(self.node)
        self._jpeg = jpeg
        self._cameras = {
            name: topics.color_image(name, name in jpeg).publisher(self.node) for name in cameras
        }
        diagnostics = topics.DIAGNOSTICS
        self.node.create_subscription(
            diagnostics.type, diagnostics.name, self._on_diagnostics, diagnostics.qos
        )
        self._clock = self.node.create_publisher(Clock, '/clock', 10) if simulated else None
        self.statuses = {}
        self.frame, self.changed = noisy_frame, lambda _, message: message
        self.silent, self.sent = set(), {}
        self.set_back_ns = 0
        self._number, self._next = 0, dict.fromkeys(('pose', *cameras), 0)

    def now_ns(self):
        """The time that the stamps tell."""
        return time.time_ns() - self.set_back_ns

    def run(self, seconds=None, until=None):
        """Publish for `seconds`, or until the condition holds (20 s at most)."""
        end = time.monotonic() + (seconds or 20)
        while time.monotonic() < end:
            self._publish()
            self._executor.spin_once(timeout_sec=0.002)
            if until is not None and until():
                return
        assert until is None, f'not within 20 s; {self.statuses}'

    def set_back(self, seconds):
        """Time itself jumps back."""
        self.set_back_ns += round(seconds * 1e9)
        self._next = dict.fromkeys(self._next, 0)

    def status(self, name):
        """(level, text, values) of the newest status of that name."""
        found = self.statuses.get(name)
        return found and (found.level, found.message, {v.key: v.value for v in found.values})

    def _publish(self):
        now_ns = self.now_ns()
        if self._clock is not None:
            self._clock.publish(Clock(clock=convert.time_message(now_ns)))
        for name, period in (
            ('pose', POSE_PERIOD_NS),
            *((camera, FRAME_PERIOD_NS) for camera in self._cameras),
        ):
            if now_ns < self._next[name] or name in self.silent:
                continue
            self._next[name] = max(self._next[name] + period, now_ns - period)
            if name == 'pose':
                self._pose.publish(self.changed(name, convert.pose_message(now_ns, POSE)))
                continue
            self._number += 1
            image = self.frame(self._number)
            make = images.jpeg_message if name in self._jpeg else images.image_message
            message = make(now_ns, f'{name}_color_optical_frame', image)
            self.sent[name, now_ns] = image
            self._cameras[name].publish(self.changed(name, message))

    def _on_diagnostics(self, message):
        for status in message.status:
            self.statuses[status.name] = status


@contextlib.contextmanager
def ros(make, domain, parameters, cameras, jpeg=()):
    """(nodes, streams): the nodes that `make` builds, configured and active."""
    simulated = bool(parameters.get('use_sim_time'))
    arguments = ['--ros-args']
    for name, value in parameters.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        arguments += ['-p', f'{name}:={text}']
    rclpy.init(args=arguments, domain_id=domain)
    executor = SingleThreadedExecutor()
    nodes = []
    try:
        nodes += make()
        streams = Streams(executor, cameras, jpeg, simulated)
        for node in nodes:
            executor.add_node(node)
            node.trigger_configure()
            assert not node.hopeless, node.hopeless
            node.trigger_activate()
        yield nodes, streams
    finally:
        for node in nodes:
            getattr(node, 'close', lambda: None)()
        executor.shutdown()
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
