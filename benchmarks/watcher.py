"""A node of the benchmark's own beside a running graph: what it says of itself, and its calls."""

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from dp_ros.nodes import process, topics
from dp_ros.nodes.calls import CallError
from dp_ros.nodes.cell_calls import CellCalls
from dp_ros.ros_process import environment

START_S = 60.0


class Watcher(Node):
    """Keeps the newest diagnostics of every part: its sentence and its values, by name."""

    def __init__(self) -> None:
        super().__init__('watcher')
        self.values: dict[str, dict[str, str]] = {}
        self.words: dict[str, str] = {}
        self.calls = CellCalls(self)
        self.listen(topics.DIAGNOSTICS, self._on_status)

    def listen(self, topic: topics.Topic, callback: Callable[..., None], **how: Any) -> None:
        """Subscribe to a row of the table."""
        self.create_subscription(topic.type, topic.name, callback, topic.qos, **how)

    @property
    def mode(self) -> str:
        """The executor's."""
        return self.values.get('executor', {}).get('mode', '')

    def wait(self, name: str, word: str) -> None:
        """Until `name` says `word`, as its message or its mode; RuntimeError after a minute."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if word in (self.words.get(name), self.values.get(name, {}).get('mode')):
                return
            time.sleep(0.1)
        raise RuntimeError(f'{name} did not say {word!r}, but {self.words.get(name)!r}')

    def keep_armed(self) -> None:
        """Hand the arm to the policy, unless it has it."""
        if self.mode not in ('policy', 'teleoperated', 'fault'):
            with contextlib.suppress(CallError):
                self.calls.arm()

    def on_status(self, status: Any, stamp: Any) -> None:
        """Called for each status; stamp: of the message that held it."""

    def _on_status(self, message: Any) -> None:
        for status in message.status:
            self.words[status.name] = status.message
            self.values[status.name] = {pair.key: pair.value for pair in status.values}
            self.on_status(status, message.header.stamp)


def watching(domain: int, kind: type[Watcher] = Watcher) -> contextlib.AbstractContextManager[Any]:
    """A watcher that spins in a thread of its own."""
    os.environ.update(environment())
    return process.connected(kind, domain)
