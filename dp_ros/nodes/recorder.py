"""The recorder node: everything that was said in an episode, raw, in one bag."""

from pathlib import Path
from typing import Any, Literal

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool, Trigger

from dp_ros.data import episode as episodes
from dp_ros.data.bag_recording import RecordedTopic, Recording
from dp_ros.data.episode import Frames
from dp_ros.data.frame_codec import make_codec
from dp_ros.data.stream_inputs import stream_inputs
from dp_ros.nodes import process, topics
from dp_ros.nodes.health import Health
from dp_ros.nodes.hearing import Hearing
from dp_ros.nodes.parameters import declare
from dp_ros.nodes.raw_listener import Heard, RawListener
from dp_ros.nodes.recorded_topics import (
    frame_topics,
    latched_publishers,
    offered_qos,
    optional_topics,
    required_topics,
)
from dp_ros.robot import load_robot
from dp_ros.task import load_task

START_SERVICE = '/recorder/start'  # std_srvs/Trigger: begins the next episode
STOP_SERVICE = '/recorder/stop'  # std_srvs/SetBool: ends it; true if the task succeeded
DISCARD_SERVICE = '/recorder/discard'  # std_srvs/Trigger: ends it, or the last one, into the trash

POLL_PERIOD_S = 0.02
REPORT_PERIOD_S = 1.0

Outcome = Literal['success', 'failure', 'unknown']


class RecorderNode(LifecycleNode):
    """Listens while active; writes while an episode runs."""

    def __init__(self) -> None:
        super().__init__('recorder')
        self._task_file = declare(self, 'task', '', 'task description (YAML file)')
        self._robot_file = declare(self, 'robot', '', 'robot file (YAML)')
        self._root = Path(declare(self, 'folder', 'recordings', 'where episodes go'))
        self._operator = declare(self, 'operator', '', 'who teleoperates', read_only=False)
        self._checkpoint = declare(
            self, 'checkpoint', '', 'identity of the policy; empty: what it says of itself'
        )
        self._revision = declare(self, 'revision', '', 'of the software that records')
        self._frames = declare(self, 'frames', 'raw', 'raw frames are stored as raw, jpeg or h264')
        self._jpeg_quality = declare(self, 'jpeg_quality', 90, 'of frames: jpeg', (1, 100))
        self._h264_crf = declare(self, 'h264_crf', 18, 'of frames: h264; 0 is the best', (0, 51))
        self._least_mb = declare(self, 'least_free_mb', 500, 'no episode begins with less left')
        self._partial = declare(
            self, 'partial', False, 'begin although a stream of the task is silent'
        )
        self._reserve_mb = declare(self, 'reserve_mb', 100, 'an episode ends when less is left')
        declare(self, 'autostart', True, 'configure and activate at start')
        self._health = Health(self)
        self._listener: RawListener | None = None
        self._recording: Recording | None = None
        self._episode: episodes.Episode | None = None
        self._last: Path | None = None
        self._trouble = ''
        self._incoming_rate = 0.0
        self.hopeless = ''
        self.create_service(Trigger, START_SERVICE, self._on_start)
        self.create_service(SetBool, STOP_SERVICE, self._on_stop)
        self.create_service(Trigger, DISCARD_SERVICE, self._on_discard)
        self.create_timer(POLL_PERIOD_S, self._poll)
        self.create_timer(REPORT_PERIOD_S, self._look_around)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the files and make the folder; fails with a sentence."""
        try:
            self._task, self._robot = load_task(self._task_file), load_robot(self._robot_file)
            self._robot.require_cameras(self._task, self._robot_file)
            if self._frames not in [choice.value for choice in Frames]:
                raise ValueError(f'frames: expected raw, jpeg or h264, found {self._frames!r}')
            self._root.mkdir(parents=True, exist_ok=True)
        except (ValueError, OSError) as error:
            self.hopeless = str(error)
            self.get_logger().error(self.hopeless)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to everything that an episode consists of."""
        self._required = required_topics(self._task, self._robot)
        self._optional = optional_topics(self._task)
        both = [*self._required, *self._optional]
        # The clock of a played bag has nothing to do with that of the system.
        self._sim_time = bool(self.get_parameter('use_sim_time').value)
        self._hearing = Hearing(both)
        self._listener = RawListener(self, both, self._on_message)
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the episode, if one runs, and unsubscribe."""
        self.close()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """End the episode that runs; its outcome is unknown."""
        if self._recording is not None:
            self._end('unknown', 'the recorder was stopped')

    def _poll(self) -> None:
        if self._listener is not None and self.context.ok():
            self._listener.poll()

    def _on_message(self, heard: Heard) -> None:
        now = self._now_ns() if self._sim_time else heard.received_ns
        self._hearing.note(heard, now)
        if self._recording is not None:
            self._recording.put(heard.topic, now, heard.cdr)

    def _on_start(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        problem = self._why_not() or self._begin()
        response.success = not problem
        response.message = problem or str(self._last)
        return response

    def _why_not(self) -> str:
        """A sentence where no episode can begin."""
        if self._recording is not None:
            return f'{self._recording.folder.name} is being recorded already'
        if self._listener is None:
            return f'the recorder is not active: {self.hopeless or "activate it first"}'
        left = self._disk_left() // 1_000_000
        if left < self._least_mb:
            return (
                f'only {left} MB are left where {self._root.resolve()} lies; an episode begins '
                f'with {self._least_mb} MB or more (parameter least_free_mb)'
            )
        silent = [] if self._partial else self._silent()
        if silent:
            return (
                f'nothing is heard on {", ".join(silent)}: the episode would be of no use. Start '
                f'what says it (executor, cameras ...); to record all the same: --partial'
            )
        return ''

    def _silent(self) -> list[str]:
        """Streams of the task that say nothing now."""
        self._poll()
        rates = self._hearing.rates(self._now_ns())
        return [i.topic for i in stream_inputs(self._task, self._robot) if not rates[i.topic]]

    def _begin(self) -> str:
        """Open the next bag; returns what went wrong, '' if nothing did."""
        self._poll()
        folder = episodes.next_folder(self._root)
        started_ns = self._now_ns()
        recorded = self._recorded()
        episode = episodes.Episode(
            operator=str(self.get_parameter('operator').value),
            started_ns=started_ns,
            revision=self._revision,
            checkpoint=self._checkpoint,
            frames=Frames(self._frames),
            task=self._task.model_dump(mode='json'),
            robot=self._recorded_robot(),
        )
        try:
            recording = Recording(folder, recorded)
            try:
                episodes.save(episode, folder)
            except OSError:
                recording.close()
                raise
        except OSError as error:
            return f'{folder} cannot be written: {error.strerror or error}'
        for topic in self._required + self._optional:
            for cdr in self._hearing.held(topic.name, latched_publishers(self, topic)):
                recording.put(topic.name, started_ns, cdr)
        self._hearing.missed.clear()
        self._trouble, self._last = '', folder
        self._episode, self._recording = episode, recording
        self.get_logger().info(f'recording {folder}')
        self._report()
        return ''

    def _recorded(self) -> tuple[RecordedTopic, ...]:
        framed = frame_topics(self._task, self._robot)
        kind, quality, crf = Frames(self._frames), self._jpeg_quality, self._h264_crf
        return tuple(
            RecordedTopic(
                topic.name,
                topics.type_name(topic.type),
                offered_qos(self, topic),
                optional=topic in self._optional,
                codec=make_codec(kind, topic.name, quality, crf) if topic.name in framed else None,
            )
            for topic in (*self._required, *self._optional)
        )

    def _recorded_robot(self) -> dict[str, Any]:
        """The robot file as the bag shows it."""
        told = self._robot.model_dump(mode='json')
        if self._frames == Frames.jpeg:
            for stream in self._task.cameras:
                told['cameras'][stream.name]['jpeg'] = True
        return told

    def _on_stop(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._recording is None:
            response.message = 'no episode is being recorded'
            return response
        response.message = self._end('success' if request.data else 'failure')
        response.success = not self._trouble
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
            response.message = f'{self._last.name} moved to {episodes.discard(self._last)}'
            response.success, self._last = True, None
        except OSError as error:
            response.message = f'{self._last} cannot be moved: {error.strerror or error}'
        return response

    def _end(self, outcome: Outcome, note: str = '') -> str:
        """Close the episode; returns what became of it."""
        self._poll()
        recording, self._recording = self._recording, None
        assert recording is not None
        assert self._episode is not None
        recording.close()
        self._trouble, ended_ns, counts = recording.error, self._now_ns(), recording.counts
        identity = self._hearing.identity(self._episode.started_ns)
        done = self._episode.model_copy(
            update={
                'outcome': outcome,
                'ended_ns': ended_ns,
                'checkpoint': self._checkpoint or identity,
                'counts': counts,
                'dropped': dict(recording.dropped),
                'missed': recording.shown(self._hearing.missed),
                'gaps': recording.gaps,
                'note': '; '.join(filter(None, (note, recording.error, recording.fault))),
            }
        )
        try:
            episodes.save(done, recording.folder)
        except OSError as error:
            self._trouble = self._trouble or f'{recording.folder}: {error.strerror or error}'
        if self._listener is not None:
            self._report()
        seconds = (ended_ns - self._episode.started_ns) / 1e9
        text = (
            f'{recording.folder}: {outcome}, {seconds:.1f} s, {sum(counts.values())} messages, '
            f'{recording.dropped.total()} dropped, '
            f'{self._hearing.missed.total()} missed'
        )
        return '; '.join(filter(None, (text, self._trouble)))

    def _watch_disk(self, left: int) -> None:
        """End the episode where the disk has refused, or will soon."""
        if self._recording is None:
            return
        trouble = self._recording.error
        if not trouble and left < self._reserve_mb * 1_000_000:
            trouble = (
                f'only {left // 1_000_000} MB were left on the disk; {self._recording.folder} '
                f'was closed, it is whole (parameter reserve_mb)'
            )
        if trouble:
            self.get_logger().error(trouble)
            self._end('unknown', '' if self._recording.error else trouble)
            self._trouble = trouble

    def _look_around(self) -> None:
        if self._listener is None:
            return
        self._incoming_rate = self._hearing.take_bytes() / REPORT_PERIOD_S
        self._watch_disk(self._disk_left())
        self._report()

    def _disk_left(self) -> int:
        """Free bytes; none where the folder is gone, or its disk does not answer."""
        try:
            return episodes.disk_left(self._root)
        except OSError as error:
            text = f'{self._root}: {error.strerror or error}'
            self.get_logger().error(text, throttle_duration_sec=10.0)
            return 0

    def _report(self) -> None:
        now, left, rate = self._now_ns(), self._disk_left(), self._incoming_rate
        rates = self._hearing.rates(now)
        values: dict[str, Any] = {f'rate_hz{name}': hz for name, hz in rates.items()}
        level, text = DiagnosticStatus.OK, 'ready'
        if self._recording is not None and self._episode is not None:
            seconds = (now - self._episode.started_ns) / 1e9
            lost = self._recording.dropped.total() + self._hearing.missed.total()
            values |= {'seconds': f'{seconds:.1f}', 'lost': lost}
            rate = self._recording.written_bytes / max(seconds, REPORT_PERIOD_S)
            text = f'recording {self._recording.folder.name}'
            if lost:
                level, text = DiagnosticStatus.WARN, f'{text}: {lost} messages lost'
            if self._recording.fault:
                level, text = DiagnosticStatus.WARN, f'{text}: {self._recording.fault}'
        elif self._trouble:
            level, text = DiagnosticStatus.ERROR, self._trouble
        values |= {'disk_left_gb': f'{left / 1e9:.2f}', 'mb_per_s': f'{rate / 1e6:.2f}'}
        self._health.report('recorder', level, text, values)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Run the recorder process."""
    process.spin(lambda: [RecorderNode()])


if __name__ == '__main__':
    main()
