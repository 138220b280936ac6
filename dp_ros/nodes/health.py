"""What a node says of itself on /diagnostics."""

from collections.abc import Mapping
from typing import Any

from rclpy.node import Node

from dp_ros.nodes import convert, topics


class Health:
    """The diagnostics of one node; `report` may be called from any thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = topics.DIAGNOSTICS.publisher(node)

    def report(self, name: str, level: bytes, text: str, values: Mapping[str, Any]) -> None:
        """Publish one status; silent once the process is shutting down."""
        if self._node.context.ok():
            now_ns = int(self._node.get_clock().now().nanoseconds)
            message = convert.diagnostics_message(now_ns, name, level, text, values)
            self._publisher.publish(message)
