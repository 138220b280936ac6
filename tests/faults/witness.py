"""What the graph says of itself while something is done to it: an Observer with a memory."""

import re
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from std_srvs.srv import Trigger

from dp_ros.core.mode import COMMANDED
from dp_ros.nodes import calls, topics
from dp_ros.nodes.recorder import START_SERVICE
from tests.faults.limits import Sent
from tests.system.observer import Observer

MEETING_S = 0.5
# A command that differs from the one before by no more than this [m] does not move the arm.
STEP = 1e-6


@dataclass(frozen=True)
class Said:
    """One status on /diagnostics, at monotonic time at_s."""

    at_s: float
    text: str


class Witness(Observer):
    """Keeps every command with its number, every mode and every text, and may be a stranger."""

    def __init__(self, context, chunk):
        super().__init__(context, chunk)
        self.sent: list[Sent] = []
        self.said: list[Said] = []
        self.block_out = topics.BLOCK_POSE.publisher(self)
        self.joy_out = topics.JOY.publisher(self)
        self._newest: dict[str, str] = {}
        self._asked: dict[str, Any] = {}

    def meet(self, services: dict[str, type]) -> None:
        """Find these services; one that is new to a client may lose its first answer."""
        for name, kind in services.items():
            self._asked[name] = self.create_client(kind, name)
        for name in services:
            assert self._asked[name].wait_for_service(15.0), f'no service {name}'
        time.sleep(MEETING_S)

    def ask(self, kind, name, request, timeout_s=5.0):
        """Call a service."""
        if name not in self._asked:
            self.meet({name: kind})
        answer = calls.ask(self._asked[name], request, timeout_s)
        assert answer is not None, f'no answer from {name} within {timeout_s:g} s'
        return answer

    def last_motion_s(self, begun_s: float, ended_s: float) -> float | None:
        """When the last command that moves the arm was sent in that time; None if none was."""
        sent = self.sent
        for a, b in zip(reversed(sent[:-1]), reversed(sent[1:])):
            if b.at_s <= begun_s:
                return None
            if b.at_s <= ended_s and np.abs(a.pose[:3] - b.pose[:3]).max() > STEP:
                return b.at_s
        return None

    def forget(self) -> None:
        """Begin anew."""
        self.sent, self.said, self.commands = [], [], []

    def left_s(self, begun_s: float) -> float | None:
        """When a mode in which nobody commands was first told after `begun_s`."""
        modes = [mode.value for mode in COMMANDED]
        return next((at for at, mode in self.modes if at > begun_s and mode not in modes), None)

    def told(self, pattern: str, begun_s: float) -> str:
        """The first text since `begun_s` that matches; '' if none does."""
        return next(
            (s.text for s in self.said if s.at_s >= begun_s and re.search(pattern, s.text)), ''
        )

    def trigger(self, service: str) -> tuple[bool, str]:
        """Call a std_srvs/Trigger service."""
        answer = self.ask(Trigger, service, Trigger.Request())
        return answer.success, answer.message

    def record(self) -> tuple[bool, str]:
        """Begin an episode."""
        return self.trigger(START_SERVICE)

    def _listen(self, topic, callback):
        qos = topic.qos
        if topic.name == topics.CARTESIAN_COMMAND.name:
            # None may be lost here, however busy this process is.
            qos = topics.QoSProfile(depth=2000, reliability=topics.ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(topic.type, topic.name, callback, qos)

    def _on_command(self, message: PoseStamped, info: dict) -> None:
        # By the middleware's own stamp, which no jump of ROS time and no wait here changes.
        ago_s = (time.time_ns() - info['source_timestamp']) * 1e-9
        at_s = time.monotonic() - ago_s
        p, q = message.pose.position, message.pose.orientation
        pose = np.array([p.x, p.y, p.z, q.x, q.y, q.z, q.w])
        self.sent.append(Sent(at_s, info['publication_sequence_number'], pose))
        self.commands.append((at_s, pose))

    def _on_diagnostics(self, message):
        super()._on_diagnostics(message)
        for status in message.status:
            text = f'{status.name}: {status.message}'
            # What is said twice a second is kept once, when it is new.
            if self._newest.get(status.name) != text:
                self._newest[status.name] = text
                self.said.append(Said(time.monotonic(), text))
