"""The replay node: a recorded episode through real topics, with its own time as /clock.

What the graph under test says itself - chunks, schedule, commands, mode - is played under
/recorded, so that both can be compared; the bag's diagnostics are left out.
"""

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rclpy.client import Client
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool

from dp_ros import atomic
from dp_ros.core.mode import COMMANDED, Mode
from dp_ros.data import topic_names
from dp_ros.data.bag import Bag, Recorded, open_bag
from dp_ros.nodes import process, topics
from dp_ros.nodes.calls import CallError, call
from dp_ros.nodes.convert import time_message
from dp_ros.nodes.parameters import declare
from dp_ros.sim.demo_report import as_json

RECORDED = '/recorded'
OURS = (topic_names.CHUNK, topic_names.SCHEDULE, topic_names.COMMAND, topic_names.MODE)
# What the executor must see before it can be configured.
STATES = (topic_names.JOINT_STATES, topic_names.TCP_POSE)
# In real time: whatever the speed, the graph has no more to receive than it can.
CLOCK_PERIOD_S = 0.01
READY_S = 60.0
SETTLE_S = 1.0


class ReplayError(RuntimeError):
    """The replay did not show what it is for; the text says what was missing."""


class ReplayNode(Node):
    """Plays one bag; the graph under test runs with use_sim_time."""

    def __init__(self) -> None:
        super().__init__('replay')
        self.bag = declare(self, 'bag', '', 'folder of the bag')
        self.speed = declare(self, 'speed', 1.0, 'of the bag, against real time', (0.05, 20.0))
        self.out = declare(self, 'out', '', 'folder of the report; empty: none')
        self.verdicts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.latencies_ms: list[float] = []
        self.commands = 0
        self._statuses: dict[str, str] = {}
        self._mode = ''
        self._clock_out = self.create_publisher(Clock, '/clock', 10)
        self._arm: Client[Any, Any] = self.create_client(SetBool, topics.ARM_SERVICE)
        self._publishers_of: dict[str, Publisher[Any]] = {}
        self._listen(topics.DIAGNOSTICS, self._on_diagnostics)
        self._listen(topics.MODE, self._on_mode)

    def play(self, bag: Bag) -> None:
        """The whole bag; raises CallError, BagError and, where nothing came of it, ReplayError."""
        messages = bag.messages(set(bag.topics) - {topic_names.DIAGNOSTICS})
        self._announce(bag)
        first = self._wait_for_graph(bag)
        armed = topic_names.MODE not in bag.topics or not bag.counts[topic_names.MODE]
        if armed:
            call(self._arm, SetBool.Request(data=True), 'arm')
        begun, ticks = time.monotonic(), 0
        tick_ns = round(CLOCK_PERIOD_S * self.speed * 1e9)
        for message in messages:
            while first + ticks * tick_ns < message.received_ns:
                ticks += 1
                self._tick(begun + ticks * CLOCK_PERIOD_S, first + ticks * tick_ns)
            self._publishers_of[message.topic].publish(message.cdr)
            if message.topic == topic_names.MODE:
                armed = self._follow(message.message().data, armed)
        time.sleep(SETTLE_S)
        if not self.verdicts['accepted']:
            raise ReplayError(self._nothing_came())

    def report(self) -> dict[str, Any]:
        """What the graph did."""
        ordered = sorted(self.latencies_ms)
        middle = ordered[len(ordered) // 2] if ordered else None
        return {
            'bag': self.bag,
            'speed': self.speed,
            'chunks': dict(self.verdicts),
            'refused_windows': dict(self.refusals),
            'inference_ms_p50': middle,
        }

    def _announce(self, bag: Bag) -> None:
        for topic, kind in bag.topics.items():
            if topic == topic_names.DIAGNOSTICS:
                continue
            name = RECORDED + topic if topic in OURS else topic
            message, qos = topics.message_type(kind), _qos(topic)
            self._publishers_of[topic] = self.create_publisher(message, name, qos)

    def _wait_for_graph(self, bag: Bag) -> int:
        """Show the first states until the executor stands there; returns the first time [ns]."""
        shown: dict[str, Recorded] = {}
        first = next(iter(bag.messages()), None)
        for message in bag.messages({topic for topic in STATES if topic in bag.topics}):
            shown.setdefault(message.topic, message)
            if len(shown) == len(STATES):
                break
        if first is None or len(shown) < len(STATES):
            raise ReplayError(
                f'{bag.folder} holds {sorted(shown)} of {list(STATES)}; the executor cannot do '
                f'without them'
            )
        deadline = time.monotonic() + READY_S
        while self._mode != Mode.IDLE.value or self._statuses.get('inference') != 'warm':
            if time.monotonic() > deadline:
                raise ReplayError(
                    f'the graph was not ready within {READY_S:.0f} s: mode {self._mode!r}, '
                    f'{self._statuses}'
                )
            self._clock_out.publish(Clock(clock=time_message(first.received_ns)))
            for message in shown.values():
                self._publishers_of[message.topic].publish(message.cdr)
            time.sleep(0.2)
        return first.received_ns

    def _tick(self, due: float, clock_ns: int) -> None:
        time.sleep(max(0.0, due - time.monotonic()))
        self._clock_out.publish(Clock(clock=time_message(clock_ns)))

    def _follow(self, recorded_mode: str, armed: bool) -> bool:
        """Arm where somebody took command in the recording, release where nobody had it."""
        wanted = recorded_mode in [mode.value for mode in COMMANDED]
        if wanted != armed:
            what = 'arm' if wanted else 'let go of the arm'
            call(self._arm, SetBool.Request(data=wanted), what)
        return wanted

    def _nothing_came(self) -> str:
        chunks = dict(self.verdicts) or 'none'
        windows = dict(self.refusals) or 'none'
        return (
            f'{self.bag}: not one chunk was accepted; chunks: {chunks}; windows refused: '
            f'{windows}; statuses: {self._statuses}'
        )

    def _listen(self, topic: topics.Topic, callback: Any) -> None:
        self.create_subscription(topic.type, topic.name, callback, topic.qos)

    def _on_mode(self, message: Any) -> None:
        self._mode = message.data

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            self._statuses[status.name] = status.message
            values = {pair.key: pair.value for pair in status.values}
            if status.name == 'executor/chunk':
                self.verdicts[values['verdict']] += 1
            elif status.name == 'inference/chunk':
                self.latencies_ms.append(float(values['inference_ms']))
            elif status.name == 'inference/window':
                self.refusals[status.message.partition(' (')[0]] += 1


def _qos(topic: str) -> QoSProfile:
    return topics.LATCHED if topic == topic_names.MODE else topics.RELIABLE


def main() -> None:
    """Run the replay; exits with 1 and a sentence where the graph did nothing."""
    process.foreground(ReplayNode, conduct, (ReplayError, CallError, ValueError, OSError))


def conduct(node: ReplayNode) -> None:
    """Play the bag and report."""
    with open_bag(Path(node.bag)) as bag:
        print(f'playing {bag.seconds:.1f} s at {node.speed:g} times real time', flush=True)
        node.play(bag)
    report = node.report()
    accepted, planned = node.verdicts['accepted'], sum(node.verdicts.values())
    print(
        f'{planned} chunks, {accepted} accepted; windows refused: {sum(node.refusals.values())}; '
        f'inference p50 {report["inference_ms_p50"]:.0f} ms',
        file=sys.stdout,
        flush=True,
    )
    if node.out:
        atomic.write_text(Path(node.out) / 'replay.json', as_json(report))


if __name__ == '__main__':
    main()
