"""The executor in virtual time: the very command stream that feeds the arm, and no arm.

The arm's readings are those that were recorded. They do not follow what is commanded here, and
need not: the stream looks at them when it is armed, and at the arm's status.
"""

import contextlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dp_ros.core.chunk import Verdict
from dp_ros.core.mode import STOPPED_BY
from dp_ros.core.robot import ArmStatus, RobotState
from dp_ros.core.stamped import ActionChunk, Array
from dp_ros.core.stream import CommandStream
from dp_ros.core.stream_config import StreamConfig
from dp_ros.data import messages, topic_names
from dp_ros.data.messages import MessageError
from dp_ros.data.stream_inputs import JOINTS, POSE
from dp_ros.hardware.drivers import make_kinematics
from dp_ros.replay.stretches import Stretch
from dp_ros.robot import Robot
from dp_ros.task import JointAction, Task

READINGS = {
    topic_names.JOINT_STATES: JOINTS,
    topic_names.TCP_POSE: POSE,
    topic_names.TCP_WRENCH: 'geometry_msgs/msg/WrenchStamped',
}
NO_READING = 'no reading of the arm has come yet'
# A recorded mode that tells what the arm itself reported; older bags say 'stopped' for any stop.
STATUS = {mode.value: status for status, mode in STOPPED_BY.items()}
STATUS['stopped'] = ArmStatus.PROTECTIVE_STOP


@dataclass(frozen=True)
class Tick:
    """One control period: what was sent, None if nothing; the limits that changed it."""

    now_ns: int
    mode: str
    reason: str
    command: Array | None
    limits: tuple[str, ...]


class ExecutorSide:
    """Chunks in, one tick a control period out. Each stretch has a command stream of its own.

    refused_arming: why the arm could not be handed over, a sentence for each time.
    """

    def __init__(self, task: Task, robot: Robot) -> None:
        self.refused_arming: list[str] = []
        self._config = robot.stream(task, make_kinematics(robot))
        self.period_ns = round(self._config.period_s * 1e9)
        self._joints = robot.arm.joints
        self._order = _joint_order(task, robot)
        self._needed = needed_reading(task)
        # Where a bag lacks the others, nothing depends on them; where the tip is, is then unknown.
        self._readings = {
            topic_names.JOINT_STATES: np.zeros(6),
            topic_names.TCP_POSE: np.full(7, np.nan),
            topic_names.TCP_WRENCH: np.zeros(6),
        }
        del self._readings[self._needed]
        self._heard: set[str] = set()
        self._stream = CommandStream(self._config)
        self._status = ArmStatus.RUNNING
        self._asked = True

    def read(self, topic: str, message: Any) -> None:
        """A message of any topic; those that are no reading of the arm are passed over."""
        # A driver never hands over a reading that is not finite; the one before still holds.
        with contextlib.suppress(MessageError):
            if topic == topic_names.JOINT_STATES:
                self._readings[topic] = messages.joint_sample(message, self._joints).value
                self._heard.add(topic)
            elif topic == topic_names.TCP_POSE:
                self._readings[topic] = messages.pose_sample(message).value
            elif topic == topic_names.TCP_WRENCH:
                force, torque = message.wrench.force, message.wrench.torque
                values = [force.x, force.y, force.z, torque.x, torque.y, torque.z]
                self._readings[topic] = np.array(values)

    def begin(self) -> None:
        """Arm a fresh stream as soon as the arm's state is known."""
        self._stream = CommandStream(self._config)
        self._status = ArmStatus.RUNNING
        self._asked = False

    def end(self, stretch: Stretch) -> None:
        """Let go of the arm, as it was let go of."""
        self._status = STATUS.get(stretch.next_mode, ArmStatus.RUNNING)
        self._asked = True
        self._stream.release()

    @property
    def busy(self) -> bool:
        """Whether there is something to do in the next control period."""
        return not self._asked or self._stream.mode.streaming

    def offer(self, chunk: ActionChunk, now_ns: int) -> Verdict:
        """A chunk of the policy, with its joints in the order of the arm's."""
        if self._order is not None:
            chunk = ActionChunk(chunk.stamps_ns, chunk.waypoints[:, self._order])
        return self._stream.offer(chunk, now_ns)

    def ahead(self, now_ns: int) -> ActionChunk | None:
        """What is committed from now on, with its joints in the order of the task's."""
        ahead = self._stream.ahead(now_ns)
        if ahead is not None and self._order is not None:
            ahead = ActionChunk(ahead.stamps_ns, ahead.waypoints[:, np.argsort(self._order)])
        return ahead

    def tick(self, now_ns: int) -> Tick:
        """One control period."""
        state = self._state()
        if state is None:
            return Tick(now_ns, self._stream.mode.mode.value, NO_READING, None, ())
        if not self._asked:
            self._asked = True
            self._stream = CommandStream(self._limited())
            refusal = self._stream.arm(now_ns, state)
            if refusal is not None:
                self.refused_arming.append(refusal)
        before = self._stream.limited.copy()
        command = self._stream.tick(now_ns, state)
        limits = tuple(sorted(self._stream.limited - before))
        mode = self._stream.mode
        sent = None if command is None else command.values
        return Tick(now_ns, mode.mode.value, mode.reason, sent, limits)

    def _limited(self) -> StreamConfig:
        """The rules of the stream; where a bag lacks the joints, nothing is known of them."""
        if topic_names.JOINT_STATES in self._heard:
            return self._config
        return replace(self._config, limits=replace(self._config.limits, kinematics=None))

    def _state(self) -> RobotState | None:
        if self._needed not in self._readings:
            return None
        return RobotState(
            controller_time_s=0.0,
            joint_positions=self._readings[topic_names.JOINT_STATES],
            joint_velocities=np.zeros(6),
            tcp_pose=self._readings[topic_names.TCP_POSE],
            tcp_wrench=self._readings[topic_names.TCP_WRENCH],
            status=self._status,
        )


def needed_reading(task: Task) -> str:
    """The topic of the reading that arming starts from."""
    joint = isinstance(task.action, JointAction)
    return topic_names.JOINT_STATES if joint else topic_names.TCP_POSE


def _joint_order(task: Task, robot: Robot) -> list[int] | None:
    """Column of a prediction for each joint of the arm; None for poses. Raises ValueError."""
    if not isinstance(task.action, JointAction):
        return None
    predicted, joints = list(task.action.components), list(robot.arm.joints)
    if sorted(predicted) != sorted(joints):
        raise ValueError(
            f'task {task.name!r} predicts the joints {predicted}; the robot of the recording has '
            f'{joints}'
        )
    return [predicted.index(joint) for joint in joints]
