"""The scripted operator: stands in for a person at a gamepad, and has its episodes recorded.

It speaks sensor_msgs/Joy to the teleop node, at the rate of a gamepad; its deadman, axes and
topic are those of the device file that the teleop node was given.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.client import Client
from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_srvs.srv import SetBool, Trigger

from dp_ros.core.mode import Mode
from dp_ros.data import messages
from dp_ros.nodes import process, recorder, topics
from dp_ros.nodes.calls import CallError, call
from dp_ros.nodes.cell_calls import CellCalls
from dp_ros.nodes.convert import time_message
from dp_ros.nodes.parameters import declare
from dp_ros.sim import pusht
from dp_ros.sim.environment import STEP_S
from dp_ros.sim.scripted_operator import ScriptedOperator
from dp_ros.task import pose_components
from dp_ros.teleop_config import JoyInput, load_teleop

GRAPH_TIMEOUT_S = 60.0
# Samples from before the reset have left every queue after this.
SETTLE_S = 0.3
STREAMS_S = 10.0
JOY_PERIOD_S = 1 / 30
# How often in an episode the arm may stop under the operator's hand.
MOST_DROPPED = 5
# The executor refuses a press that came late to it; a person then presses again.
PRESSES, PRESS_S = 4, 1.5
_EXPERT_STREAM = 3  # the start is drawn from the seed itself, the operator from (seed, 3)


class OperatorError(RuntimeError):
    """An episode cannot be shown; the text says what is missing."""


class OperatorNode(Node):
    """Axes and a deadman on a Joy topic; the scene as a tracker would tell it."""

    def __init__(self) -> None:
        super().__init__('operator')
        self.episodes = declare(self, 'episodes', 10, 'how many', (1, 10_000))
        self.seed = declare(self, 'seed', 0, 'of the first start; the next ones follow')
        self.limit_s = declare(self, 'limit_s', 60.0, 'longest episode [s]', (1.0, 3600.0))
        device_file = declare(self, 'device', '', 'device file (YAML) of the teleop node')
        device = load_teleop(device_file)
        if not isinstance(device.input, JoyInput):
            raise ValueError(
                f'{device_file} reads a {device.input.type}; the scripted operator speaks joy'
            )
        self._device, self._input = device, device.input
        self._planar = (device.input.axes['x'], device.input.axes['y'])
        self.cell = CellCalls(self)
        self.mode = ''
        self._observation: dict[str, Any] = {}
        self._operator: ScriptedOperator | None = None
        self._pressed = False
        self._begun = 0.0
        self._start: Client[Any, Any] = self.create_client(Trigger, recorder.START_SERVICE)
        self._stop: Client[Any, Any] = self.create_client(SetBool, recorder.STOP_SERVICE)
        self._joy = self.create_publisher(Joy, self._input.topic, topics.JOY.qos)
        for topic, callback in (
            (topics.TCP_POSE, self._on_tip),
            (topics.BLOCK_POSE, self._on_block),
            (topics.CARTESIAN_COMMAND, self._on_command),
            (topics.MODE, self._on_mode),
        ):
            self.create_subscription(topic.type, topic.name, callback, topic.qos)
        self.create_timer(JOY_PERIOD_S, self._move)

    def wait_for_graph(self, timeout_s: float) -> None:
        """Until the cell, the executor, the recorder and the teleop node answer."""
        missing = self.cell.missing(timeout_s)
        for client in (self._start, self._stop):
            if not missing and not client.wait_for_service(timeout_s):
                missing = client.srv_name
        deadline = time.monotonic() + timeout_s
        while not missing and not self._joy.get_subscription_count():
            time.sleep(0.05)
            if time.monotonic() > deadline:
                missing = f'a teleop node that listens to {self._input.topic}'
        if missing:
            raise OperatorError(f'{missing} did not appear within {timeout_s:.0f} s')

    def demonstrate(self, seed: int) -> str:
        """One recorded episode from the start of `seed`; returns a line about it."""
        self.cell.to_start(seed)
        time.sleep(SETTLE_S)
        self._await(lambda: len(self._observation) >= 2, 'the tip and the T are seen')
        self._observation.pop('command', None)
        folder = self._begin_recording()
        self._begun = time.monotonic()
        rng = np.random.default_rng((seed, _EXPERT_STREAM))
        operator = self._operator = ScriptedOperator(rng, self._observation['tip'])
        ending = self._work(operator)
        seconds = time.monotonic() - self._begun
        self._operator, self._pressed = None, False
        self._await(lambda: self.mode != Mode.TELEOPERATED.value, 'the operator has let go')
        time.sleep(SETTLE_S)
        block = self._observation['block']
        iou, coverage = pusht.iou(block), pusht.coverage(block)
        success = coverage > pusht.SUCCESS_COVERAGE
        call(self._stop, SetBool.Request(data=success), 'end the episode')
        return (
            f'seed {seed}  {"success" if success else "failure"}  coverage {coverage:.3f}  '
            f'IoU {iou:.3f}  {seconds:5.1f} s  ({ending})  {folder}'
        )

    def _begin_recording(self) -> Path:
        """A recorder that has just begun to listen has not met everybody yet."""
        deadline = time.monotonic() + STREAMS_S
        while True:
            try:
                return Path(call(self._start, Trigger.Request(), 'start an episode'))
            except CallError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _work(self, operator: ScriptedOperator) -> str:
        """Decide until done; returns how it ended."""
        self._press()
        due, dropped = time.monotonic(), 0
        while not operator.done:
            time.sleep(max(0.0, due - time.monotonic()))
            seen = np.concatenate([self._observation['tip'], self._observation['block']])
            operator.decide(time.monotonic() - self._begun, seen)
            due = max(due, time.monotonic() - STEP_S) + STEP_S
            if time.monotonic() - self._begun > self.limit_s:
                return 'time limit'
            if self.mode == Mode.TELEOPERATED.value:
                continue
            # A busy machine can make the hand pause for longer than the deadman allows.
            dropped += 1
            if dropped > MOST_DROPPED or self.mode != Mode.HOLDING.value:
                return f'the arm is {self.mode}'
            self._pressed = False
            time.sleep(SETTLE_S)
            self._press()
        return 'done'

    def _press(self) -> None:
        for _ in range(PRESSES - 1):
            self._pressed = True
            deadline = time.monotonic() + PRESS_S
            while time.monotonic() < deadline:
                if self.mode == Mode.TELEOPERATED.value:
                    return
                time.sleep(0.01)
            self._pressed = False
            time.sleep(SETTLE_S)
        self._pressed = True
        self._await(lambda: self.mode == Mode.TELEOPERATED.value, 'the operator has the arm')

    def _await(self, condition: Any, what: str, timeout_s: float = 5.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                self._pressed = False
                raise OperatorError(
                    f'not within {timeout_s:.0f} s: {what}; the arm is {self.mode}'
                )
            time.sleep(0.01)

    # ROS callbacks, in the spinning thread.

    def _move(self) -> None:
        operator, known = self._operator, self._observation
        size = 1 + max(axis.index for axis in self._input.axes.values())
        axes = [0.0] * max(size, 6)
        buttons = [0] * (self._input.deadman + 1)
        if operator is not None and self._pressed and not operator.done:
            buttons[self._input.deadman] = 1
            command = known.get('command', known['tip'])
            elapsed = time.monotonic() - self._begun
            moved = operator.stretch.deflection(elapsed, command, self._device.speed)
            for axis, value in zip(self._planar, moved):
                axes[axis.index] = float(value) / axis.scale
        message = Joy(axes=axes, buttons=buttons)
        message.header.stamp = time_message(int(self.get_clock().now().nanoseconds))
        self._joy.publish(message)

    def _on_tip(self, message: Any) -> None:
        self._observation['tip'] = messages.pose_sample(message).value[:2]

    def _on_block(self, message: Any) -> None:
        pose = messages.pose_sample(message).value
        self._observation['block'] = pose_components(pose, ('x', 'y', 'yaw'))

    def _on_command(self, message: Any) -> None:
        self._observation['command'] = messages.pose_sample(message).value[:2]

    def _on_mode(self, message: Any) -> None:
        self.mode = message.data


def conduct(node: OperatorNode) -> None:
    """All episodes."""
    node.wait_for_graph(GRAPH_TIMEOUT_S)
    for number in range(node.episodes):
        line = node.demonstrate(node.seed + number)
        print(f'episode {number + 1}/{node.episodes}: {line}', flush=True)


def main() -> None:
    """Run the operator; exits with 1 and a sentence where the graph does not answer."""
    process.foreground(OperatorNode, conduct, (OperatorError, CallError, ValueError, OSError))


if __name__ == '__main__':
    main()
