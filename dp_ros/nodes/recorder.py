"""The recorder node: everything that was said in an episode, raw, in one bag."""

from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from std_srvs.srv import SetBool, Trigger

from dp_ros.data import episode as episodes
from dp_ros.data.bag_recording import RecordedTopic, Recording
from dp_ros.data.stream_inputs import StreamInput, stream_inputs
from dp_ros.nodes import process, topics
from dp_ros.nodes.health import Health
from dp_ros.nodes.parameters import declare
from dp_ros.robot import load_robot
from dp_ros.task import CartesianAction, Task, load_task

START_SERVICE = '/recorder/start'  # std_srvs/Trigger: begins the next episode
STOP_SERVICE = '/recorder/stop'  # std_srvs/SetBool: ends it; true if the task succeeded
DISCARD_SERVICE = '/recorder/discard'  # std_srvs/Trigger: ends it, or the last one, into the trash

REPORT_PERIOD_S = 1.0


class RecorderNode(LifecycleNode):
    """Subscribes while active; writes while an episode runs."""

    def __init__(self) -> None:
        super().__init__('recorder')
        self._task_file = declare(self, 'task', '', 'task description (YAML file)')
        self._robot_file = declare(self, 'robot', '', 'robot file (YAML)')
        self._root = Path(declare(self, 'folder', 'recordings', 'where episodes go'))
        self._operator = declare(self, 'operator', '', 'who teleoperates', read_only=False)
        self._checkpoint = declare(self, 'checkpoint', '', 'identity of the policy, if one runs')
        self._revision = declare(self, 'revision', '', 'of the software that records')
        declare(self, 'autostart', True, 'configure and activate at start')
        self._health = Health(self)
        self._recording: Recording | None = None
        self._episode: episodes.Episode | None = None
        self._last: Path | None = None
        self._subscriptions: list[Any] = []
        self._arrivals: dict[str, deque[int]] = {}
        self.hopeless = ''
        self.create_service(Trigger, START_SERVICE, self._on_start)
        self.create_service(SetBool, STOP_SERVICE, self._on_stop)
        self.create_service(Trigger, DISCARD_SERVICE, self._on_discard)
        self.create_timer(REPORT_PERIOD_S, self._report)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the files and make the folder; fails with a sentence."""
        try:
            self._task, self._robot = load_task(self._task_file), load_robot(self._robot_file)
            self._robot.require_cameras(self._task, self._robot_file)
            self._root.mkdir(parents=True, exist_ok=True)
        except (ValueError, OSError) as error:
            self.hopeless = str(error)
            self.get_logger().error(self.hopeless)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to everything that an episode consists of."""
        self._topics = recorded_topics(self._task, stream_inputs(self._task, self._robot))
        for topic in self._topics:
            self._arrivals[topic.name] = deque(maxlen=2000)
            keep = partial(self._keep, topic.name)
            self._subscriptions.append(
                self.create_subscription(topic.type, topic.name, keep, topic.qos, raw=True)
            )
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the episode, if one runs, and unsubscribe."""
        self.close()
        while self._subscriptions:
            self.destroy_subscription(self._subscriptions.pop())
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """End the episode that runs; its outcome is unknown."""
        if self._recording is not None:
            self._end('unknown')

    def _keep(self, topic: str, cdr: bytes) -> None:
        now = self._now_ns()
        self._arrivals[topic].append(now)
        if self._recording is not None:
            self._recording.put(topic, now, cdr)

    def _on_start(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._recording is not None:
            response.message = f'{self._recording.folder.name} is being recorded already'
            return response
        if not self._subscriptions:
            response.message = (
                f'the recorder is not active: {self.hopeless or "activate it first"}'
            )
            return response
        folder = episodes.next_folder(self._root)
        episode = episodes.Episode(
            operator=str(self.get_parameter('operator').value),
            started_ns=self._now_ns(),
            revision=self._revision,
            checkpoint=self._checkpoint,
            task=self._task.model_dump(mode='json'),
            robot=self._robot.model_dump(mode='json'),
        )
        try:
            recording = Recording(folder, tuple(_announced(t) for t in self._topics))
            episodes.save(episode, folder)
        except OSError as error:
            response.message = f'{folder} cannot be written: {error.strerror or error}'
            return response
        self._episode, self._recording = episode, recording
        response.success, response.message = True, str(folder)
        return response

    def _on_stop(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._recording is None:
            response.message = 'no episode is being recorded'
            return response
        problem = self._end('success' if request.data else 'failure')
        response.success, response.message = not problem, problem or str(self._last)
        return response

    def _on_discard(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        if self._recording is not None:
            self._end('unknown')
        if self._last is None or not self._last.exists():
            response.message = 'there is no episode to discard'
            return response
        try:
            response.message = f'moved to {episodes.discard(self._last)}'
            response.success, self._last = True, None
        except OSError as error:
            response.message = f'{self._last} cannot be moved: {error.strerror or error}'
        return response

    def _end(self, outcome: Any) -> str:
        """Close the episode; returns what went wrong, '' if nothing did."""
        recording, self._recording = self._recording, None
        assert recording is not None
        assert self._episode is not None
        recording.close()
        self._last = recording.folder
        done = self._episode.model_copy(
            update={
                'outcome': outcome,
                'ended_ns': self._now_ns(),
                'counts': recording.counts,
                'dropped': dict(recording.dropped),
                'note': recording.error,
            }
        )
        try:
            episodes.save(done, recording.folder)
        except OSError as error:
            return recording.error or f'{recording.folder}: {error.strerror or error}'
        return recording.error

    def _report(self) -> None:
        if not self._subscriptions:
            return
        recording = self._recording
        if recording is not None and recording.error:
            self.get_logger().error(recording.error)
            self._end('failure')
        now = self._now_ns()
        values: dict[str, Any] = {
            f'rate_hz{name}': sum(stamp > now - 2_000_000_000 for stamp in list(stamps)) / 2
            for name, stamps in self._arrivals.items()
        }
        values['disk_left_gb'] = f'{episodes.disk_left(self._root) / 1e9:.1f}'
        level, text = DiagnosticStatus.OK, 'ready'
        if self._recording is not None and self._episode is not None:
            seconds = (now - self._episode.started_ns) / 1e9
            lost = sum(self._recording.dropped.values())
            values |= {'seconds': f'{seconds:.1f}', 'dropped': lost}
            text = f'recording {self._recording.folder.name}'
            if lost:
                level, text = DiagnosticStatus.WARN, f'{text}: {lost} messages did not fit'
        elif recording is not None:
            level, text = DiagnosticStatus.ERROR, recording.error
        self._health.report('recorder', level, text, values)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def recorded_topics(task: Task, inputs: list[StreamInput]) -> list[topics.Topic]:
    """What an episode of `task` consists of: its streams, what was planned and what was sent."""
    cartesian = isinstance(task.action, CartesianAction)
    found = [topics.Topic(i.topic, topics.message_type(i.type), topics.SENSOR) for i in inputs]
    found += [topics.JOINT_STATES, topics.TCP_POSE, topics.TCP_WRENCH, topics.MODE]
    found += [topics.CARTESIAN_CHUNK if cartesian else topics.JOINT_CHUNK]
    found += [topics.CARTESIAN_SCHEDULE if cartesian else topics.JOINT_SCHEDULE]
    found += [topics.CARTESIAN_COMMAND if cartesian else topics.JOINT_COMMAND]
    found += [topics.DIAGNOSTICS]
    return list({topic.name: topic for topic in found}.values())


def _announced(topic: topics.Topic) -> RecordedTopic:
    return RecordedTopic(topic.name, topics.type_name(topic.type), (_qos(topic.qos),))


def _qos(profile: QoSProfile) -> Qos:
    never = QosTime(0, 0)
    return Qos(
        QosHistory(profile.history.value),
        profile.depth,
        QosReliability(profile.reliability.value),
        QosDurability(profile.durability.value),
        never,
        never,
        QosLiveliness(profile.liveliness.value),
        never,
        False,
    )


def main() -> None:
    """Run the recorder process."""
    process.spin(lambda: [RecorderNode()])


if __name__ == '__main__':
    main()
