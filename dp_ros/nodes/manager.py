"""The manager: brings the nodes of a graph up in order, watches over them, and holds the arm.

It listens to heartbeats, which cost nobody a message, and asks the lifecycle services that every
managed node has. Processes are started again by whoever owns them (running.py, `ros2 launch`);
the manager brings the new one up again. What the arm does then is decided by a person: it holds.
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition as TransitionMessage
from lifecycle_msgs.msg import TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger

from dp_ros.core.mode import Mode
from dp_ros.core.supervisor import Condition, Lifecycle, Member, Step, Supervisor, Transition
from dp_ros.nodes import heartbeat, process, topics
from dp_ros.nodes.health import Health
from dp_ros.nodes.parameters import declare
from dp_ros.nodes.releases import QoSLivelinessChangedInfo, SubscriptionEventCallbacks

PERIOD_S = 0.1
REPORT_PERIOD_S = 0.5
# A state that is not known is asked for again; an answer may be lost where services just met.
ASK_PERIOD_S = 1.0
HOLD_PERIOD_S = 0.5
TRANSITIONS = {
    Transition.CONFIGURE: (TransitionMessage.TRANSITION_CONFIGURE, Lifecycle.INACTIVE),
    Transition.ACTIVATE: (TransitionMessage.TRANSITION_ACTIVATE, Lifecycle.ACTIVE),
}
LIFECYCLES = {state.value: state for state in Lifecycle}


class ManagerNode(Node):
    """Nodes are told by the parameter `stages`; they should not start by themselves."""

    def __init__(self) -> None:
        super().__init__('manager', start_parameter_services=False)
        stages = declare(
            self,
            'stages',
            [''],
            'nodes by stage, as [sim, "executor,wrist", "observation>inference"]',
        )
        needs = {
            Mode.POLICY: declare(
                self, 'policy_needs', '', 'nodes without which the policy must not command'
            ),
            Mode.TELEOPERATED: declare(
                self, 'teleoperation_needs', '', 'nodes without which a person must not command'
            ),
        }
        self._drives = declare(
            self, 'drives', True, 'configure and activate; false: watch, and hold the arm'
        )
        members = members_of(stages, {mode.value: _names(text) for mode, text in needs.items()})
        self._supervisor = Supervisor.begun(members, time.monotonic())
        self._mode, self._held, self._reason = '', 0, ''
        self._held_s = float('-inf')
        self._asked_s: dict[str, float] = {}
        self._conditions: dict[str, Condition] = {}
        self._health = Health(self)
        self._change: dict[str, Client[Any, Any]] = {}
        self._state: dict[str, Client[Any, Any]] = {}
        for member in members:
            self._watch(member.name)
        self._hold: Client[Any, Any] = self.create_client(Trigger, topics.HOLD_SERVICE)
        mode = topics.MODE
        self.create_subscription(mode.type, mode.name, self._on_mode, mode.qos)
        # Time goes on for the manager where ROS time is simulated and stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(PERIOD_S, self._manage, clock=steady)
        self.create_timer(REPORT_PERIOD_S, self._report, clock=steady)

    def _watch(self, name: str) -> None:
        bond = topics.heartbeat(name)
        events = SubscriptionEventCallbacks(liveliness=partial(self._on_liveliness, name))
        self.create_subscription(
            bond.type, bond.name, lambda _: None, bond.qos, event_callbacks=events
        )
        moved = partial(self._on_transition, name)
        self.create_subscription(TransitionEvent, f'/{name}/transition_event', moved, 10)
        self._change[name] = self.create_client(ChangeState, f'/{name}/change_state')
        self._state[name] = self.create_client(GetState, f'/{name}/get_state')

    # What is heard.

    def _on_liveliness(self, name: str, event: QoSLivelinessChangedInfo) -> None:
        alive, anew = event.alive_count > 0, heartbeat.is_another(event)
        self._supervisor = self._supervisor.heard(name, alive, anew, time.monotonic())
        self._manage()

    def _on_transition(self, name: str, event: TransitionEvent) -> None:
        self._learn(name, event.goal_state.label)

    def _on_mode(self, message: String) -> None:
        self._mode = message.data
        self._manage()

    def _learn(self, name: str, label: str) -> None:
        # On the way from one state to the next there is nothing to do.
        if label in LIFECYCLES:
            now_s = time.monotonic()
            self._supervisor = self._supervisor.told(name, LIFECYCLES[label], now_s)

    # What is done.

    def _manage(self) -> None:
        if not self.context.ok():
            return
        now_s = time.monotonic()
        self._supervisor = self._supervisor.looking(now_s)
        self._hold_where_needed(now_s)
        for name, seen in self._supervisor.seen.items():
            if seen.alive and seen.lifecycle is not Lifecycle.ACTIVE:
                self._ask_state(name, now_s)
        if self._drives:
            for step in list(self._supervisor.steps(now_s)):
                self._take(step, now_s)
        self._announce(now_s)

    def _hold_where_needed(self, now_s: float) -> None:
        reason = self._supervisor.why_hold(self._mode, now_s)
        if not reason or now_s < self._held_s + HOLD_PERIOD_S or not self._hold.service_is_ready():
            return
        self._held_s, self._reason = now_s, reason
        self._held += 1
        self.get_logger().error(f'the arm is told to hold: {reason}')
        self._hold.call_async(Trigger.Request())
        self._report()

    def _ask_state(self, name: str, now_s: float) -> None:
        client = self._state[name]
        if now_s >= self._asked_s.get(name, 0.0) + ASK_PERIOD_S and client.service_is_ready():
            self._asked_s[name] = now_s
            client.call_async(GetState.Request()).add_done_callback(partial(self._on_state, name))

    def _on_state(self, name: str, future: Any) -> None:
        self._learn(name, future.result().current_state.label)

    def _take(self, step: Step, now_s: float) -> None:
        client = self._change[step.node]
        if not client.service_is_ready():
            return
        self._supervisor = self._supervisor.asked(step, now_s)
        request = ChangeState.Request()
        request.transition.id, reached = TRANSITIONS[step.transition]
        client.call_async(request).add_done_callback(partial(self._on_answer, step, reached))

    def _on_answer(self, step: Step, reached: Lifecycle, future: Any) -> None:
        now_s = time.monotonic()
        if future.result().success:
            self._supervisor = self._supervisor.told(step.node, reached, now_s)
        else:
            self._supervisor = self._supervisor.refused(step.node, now_s)

    # What is told.

    def _announce(self, now_s: float) -> None:
        """Log what changed."""
        for name in self._supervisor.seen:
            condition = self._supervisor.condition(name, now_s)
            if condition is self._conditions.get(name):
                continue
            self._conditions[name] = condition
            # rclpy ties a severity to the line that logs it.
            if condition in (Condition.SILENT, Condition.DEAD, Condition.GIVEN_UP):
                self.get_logger().error(f'{name} is {condition.value}')
            else:
                self.get_logger().info(f'{name} is {condition.value}')

    def _report(self) -> None:
        now_s, supervisor = time.monotonic(), self._supervisor
        troubles = supervisor.troubles(now_s)
        level = DiagnosticStatus.WARN if troubles else DiagnosticStatus.OK
        if supervisor.any_lost(now_s):
            level = DiagnosticStatus.ERROR
        values: dict[str, Any] = {}
        for name, seen in supervisor.seen.items():
            values[name] = supervisor.condition(name, now_s).value
            values[f'{name}_restarts'] = seen.restarts
        values |= {'holds': self._held, 'last_hold': self._reason}
        self._health.report(
            'manager', level, '; '.join(troubles) or 'all nodes are active', values
        )


def members_of(stages: Sequence[str], needs: dict[str, set[str]]) -> list[Member]:
    """The members of the stages, one after the other; raises ValueError.

    A stage names nodes, with commas between them, and with > where two share a process and the
    first must be configured before the second.
    """
    found: dict[str, Member] = {}
    for number, stage in enumerate(stages):
        for process_nodes in stage.split(','):
            after = ''
            for name in filter(None, map(str.strip, process_nodes.split('>'))):
                modes = frozenset(mode for mode, names in needs.items() if name in names)
                found[name], after = Member(name, number, after, modes), name
    for mode, names in needs.items():
        if names - found.keys():
            raise ValueError(
                f'mode {mode} needs {sorted(names - found.keys())}, expected nodes of the stages: '
                f'{sorted(found)}'
            )
    return list(found.values())


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(',') if name.strip()}


def main() -> None:
    """Run the manager process."""
    process.spin(lambda: [ManagerNode()])


if __name__ == '__main__':
    main()
