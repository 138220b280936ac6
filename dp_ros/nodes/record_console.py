"""The recorder, asked and heard from a program that waits for a person."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from dp_ros.nodes import process, topics
from dp_ros.nodes.calls import ask
from dp_ros.nodes.recorder import DISCARD_SERVICE, START_SERVICE, STOP_SERVICE

# Closing an episode writes what is queued.
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Answer:
    """What the recorder did, in its own words."""

    done: bool
    text: str


class RecordConsole(Node):
    """`status`: what the recorder said last of itself; None until it did."""

    def __init__(self) -> None:
        super().__init__('record_console')
        self.status: Any = None
        self._start: Any = self.create_client(Trigger, START_SERVICE)
        self._stop: Any = self.create_client(SetBool, STOP_SERVICE)
        self._discard: Any = self.create_client(Trigger, DISCARD_SERVICE)
        spoken = topics.DIAGNOSTICS
        self.create_subscription(spoken.type, spoken.name, self._on_diagnostics, spoken.qos)

    def start(self) -> Answer:
        """Begin the next episode."""
        return self._ask(self._start, Trigger.Request())

    def stop(self, success: bool) -> Answer:
        """End the episode that runs."""
        return self._ask(self._stop, SetBool.Request(data=success))

    def discard(self) -> Answer:
        """Move the episode that runs, or the last one, to the trash."""
        return self._ask(self._discard, Trigger.Request())

    def _ask(self, client: Any, request: Any) -> Answer:
        if not client.wait_for_service(TIMEOUT_S):
            return Answer(False, f'no recorder: {client.srv_name} did not appear')
        response = ask(client, request, TIMEOUT_S)
        if response is None:
            return Answer(False, f'no answer from {client.srv_name} within {TIMEOUT_S:.0f} s')
        return Answer(response.success, response.message)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == 'recorder':
                self.status = status


def connected(domain: int) -> AbstractContextManager[RecordConsole]:
    """A console that spins in a thread of its own; signals stay with the caller."""
    return process.connected(RecordConsole, domain)
