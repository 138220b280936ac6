"""The listener of `dp-ros top`: /diagnostics, and nothing else."""

import time
from contextlib import AbstractContextManager

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from dp_ros.core.status_board import Level, StatusBoard
from dp_ros.nodes import process, topics


class TopNode(Node):
    """Keeps `board`, on the monotonic clock of this machine."""

    def __init__(self) -> None:
        super().__init__('top', start_parameter_services=False)
        self.board = StatusBoard()
        said = topics.DIAGNOSTICS
        self.create_subscription(said.type, said.name, self._on_diagnostics, said.qos)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        now_s = time.monotonic()
        for status in message.status:
            level = Level(int.from_bytes(status.level, 'little'))
            values = {pair.key: pair.value for pair in status.values}
            self.board.hear(status.name, level, status.message, values, now_s)


def connected(domain: int) -> AbstractContextManager[TopNode]:
    """A listener that spins in a thread of its own; signals stay with the caller."""
    return process.connected(TopNode, domain)
