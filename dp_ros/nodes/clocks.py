"""Whether the policy's clock and the executor's agree, where they run on two machines.

The policy reports what its clock shows and how old the executor's stamps are by it; the executor
compares (core/clock_offset.py). Where ROS time is simulated there is one clock, and no report.
"""

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import TimeReference

from dp_ros.core.clock_offset import ClockOffset, LeastAge, PolicyClock
from dp_ros.core.mode import Event
from dp_ros.data import messages
from dp_ros.nodes import convert, topics
from dp_ros.nodes.health import Health

PERIOD_S = 0.5
# What the executor stamps with the time at which it sends it.
STAMPED = (topics.JOINT_STATES.name, topics.TCP_POSE.name, topics.TCP_WRENCH.name)


class ClockReport:
    """The policy's part, on the node that hears the streams."""

    def __init__(self, node: Node, now_ns: Callable[[], int]) -> None:
        self._node, self._now_ns = node, now_ns
        self._ages = LeastAge()
        self._publisher = topics.POLICY_CLOCK.publisher(node)
        node.create_timer(PERIOD_S, self._say)

    def note(self, topic: str, message: Any) -> None:
        """A message of a stream came just now."""
        if topic in STAMPED:
            self._ages.add(messages.nanoseconds(message.header.stamp), self._now_ns())

    def _say(self) -> None:
        simulated = self._node.get_parameter('use_sim_time').value
        if simulated or not self._node.context.ok():
            return
        now_ns = self._now_ns()
        age_ns = self._ages.value_ns(now_ns)
        message = TimeReference()
        message.header.stamp = convert.time_message(now_ns)
        # What the executor's clock showed, as late as its fastest message; 0: none was heard.
        if age_ns is not None:
            message.time_ref, message.source = convert.time_message(now_ns - age_ns), 'executor'
        self._publisher.publish(message)


class ClockCheck:
    """The executor's part: `tell` is told the fault each time that it looks, '' where none is."""

    def __init__(
        self,
        node: Node,
        health: Health,
        tolerance_ns: int,
        now_ns: Callable[[], int],
        tell: Callable[[str], None],
    ) -> None:
        self._node, self._health = node, health
        self._tolerance_ns, self._now_ns, self._tell = tolerance_ns, now_ns, tell
        self._clock = PolicyClock()
        topic = topics.POLICY_CLOCK
        self._subscription = node.create_subscription(
            topic.type, topic.name, self._on_report, topic.qos
        )
        self._timer = node.create_timer(PERIOD_S, self._look)

    def destroy(self) -> None:
        """Listen no more."""
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_timer(self._timer)

    def _on_report(self, message: Any) -> None:
        stamp_ns = messages.nanoseconds(message.header.stamp)
        shown_ns = messages.nanoseconds(message.time_ref)
        echo_ns = stamp_ns - shown_ns if message.source else None
        self._clock.heard(stamp_ns, echo_ns, self._now_ns())
        self._tell(self._clock.offset(self._now_ns()).fault(self._tolerance_ns))

    def _look(self) -> None:
        offset = self._clock.offset(self._now_ns())
        fault = offset.fault(self._tolerance_ns)
        self._tell(fault)
        if offset != ClockOffset():
            level = DiagnosticStatus.ERROR if fault else DiagnosticStatus.OK
            text = f'{Event.CLOCKS_DIFFER.value}: {fault}' if fault else 'the clocks agree'
            values = {
                'policy_ahead_ms_at_least': _milliseconds(offset.least_ns),
                'policy_ahead_ms_at_most': _milliseconds(offset.most_ns),
                'allowed_ms': self._tolerance_ns / 1e6,
            }
            self._health.report('executor/clocks', level, text, values)


def _milliseconds(span_ns: int | None) -> str:
    return 'unknown' if span_ns is None else f'{span_ns / 1e6:.1f}'
