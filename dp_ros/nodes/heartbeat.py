"""A node's sign of life: the liveliness of a publisher, which costs no message."""

from rclpy.clock import Clock
from rclpy.node import Node

from dp_ros.nodes import topics
from dp_ros.nodes.releases import ClockType, QoSLivelinessChangedInfo

PERIOD_S = 0.2


def beat(node: Node) -> None:
    """Assert the liveliness of `node` from the thread that serves its callbacks, from now on.

    Whoever subscribes is told by the middleware, once, when it stops (topics.HEARTBEAT_LEASE_S):
    because the process died, was stopped, or is stuck in a callback.
    """
    publisher = topics.heartbeat(node.get_name()).publisher(node)
    # Also where ROS time is simulated and stands still.
    node.create_timer(PERIOD_S, publisher.assert_liveliness, clock=_steady())


def _steady() -> Clock:
    return Clock(clock_type=ClockType.STEADY_TIME)


def is_another(event: QoSLivelinessChangedInfo) -> bool:
    """Whether the event is of a process that was not there before, not of one that woke again."""
    return event.alive_count_change + event.not_alive_count_change > 0
