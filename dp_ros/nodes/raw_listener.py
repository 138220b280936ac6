"""Many topics heard raw, hundreds of messages a second, for the price of a few wake-ups."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile

from dp_ros.nodes.releases import received_ns
from dp_ros.nodes.topics import Topic

# What the middleware keeps while this process does something else: two seconds of everything.
IMAGE_DEPTH, DEPTH = 60, 1000
_IMAGES = ('Image', 'CompressedImage')


@dataclass(frozen=True)
class Heard:
    """A message as it came. received_ns: by the system's clock, when the middleware had it.

    publisher, sequence: who sent it, and as his how manieth; empty and None where rclpy (before
    Kilted) or the middleware (Cyclone DDS) does not say.
    """

    topic: str
    cdr: bytes
    received_ns: int
    publisher: bytes
    sequence: int | None


class RawListener:
    """Subscribes on `node`; `poll` hands over all that came since, topic by topic.

    An executor takes one message at a time and then builds its wait set anew, which for twenty
    subscriptions costs a millisecond. Here the executor never sees the subscriptions.
    """

    def __init__(
        self, node: Node, topics: Sequence[Topic], heard: Callable[[Heard], None]
    ) -> None:
        self._node, self._heard = node, heard
        group = _NeverExecuted()
        self._subscriptions: list[Any] = [
            node.create_subscription(
                topic.type, topic.name, _never, _patient(topic), callback_group=group, raw=True
            )
            for topic in topics
        ]

    def poll(self) -> None:
        """Call `heard` for each message that waits."""
        for subscription in self._subscriptions:
            take, kind = subscription.handle.take_message, subscription.msg_type
            with subscription.handle:
                while (taken := take(kind, True)) is not None:
                    cdr, about = taken
                    self._heard(
                        Heard(
                            subscription.topic,
                            cdr,
                            received_ns(about),
                            about.get('publisher_gid', {}).get('data', b''),
                            about.get('publication_sequence_number'),
                        )
                    )

    def close(self) -> None:
        """Unsubscribe."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())


class _NeverExecuted(CallbackGroup):
    """Keeps its members out of the executor's wait set."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing was begun."""


def _never(_: Any) -> None:
    raise AssertionError('the executor called a subscription that is only polled')


def _patient(topic: Topic) -> QoSProfile:
    """Fits whatever the topic's publishers offer, and holds what comes while nobody polls."""
    depth = IMAGE_DEPTH if topic.type.__name__ in _IMAGES else DEPTH
    return QoSProfile(
        depth=depth, reliability=topic.qos.reliability, durability=topic.qos.durability
    )
