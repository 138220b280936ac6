"""One recorded episode weighed: figures of what arrived and what was done, and complaints."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from dp_ros.core.stamped import Array
from dp_ros.data import episode as episodes
from dp_ros.data import messages
from dp_ros.data.audit.complaints import complaints, with_copies
from dp_ros.data.audit.conduct import CounterWatch, IdleWatch, ModeWatch, counters
from dp_ros.data.audit.figures import Audit
from dp_ros.data.audit.streams import StreamWatch
from dp_ros.data.audit.thresholds import Thresholds, load_thresholds
from dp_ros.data.audit.windows import WindowWatch
from dp_ros.data.bag import Bag, Recorded, open_bag
from dp_ros.data.messages import MessageError
from dp_ros.data.stream_inputs import JOINTS, POSE
from dp_ros.data.topic_names import COMMAND, DIAGNOSTICS, MODE
from dp_ros.robot import Robot
from dp_ros.task import CartesianAction, Task

__all__ = ['Audit', 'Thresholds', 'audit', 'load_thresholds', 'with_copies']

MODE_TYPE = 'std_msgs/msg/String'
DIAGNOSTICS_TYPE = 'diagnostic_msgs/msg/DiagnosticArray'


def audit(
    folder: Path,
    task: Task,
    robot: Robot,
    thresholds: Thresholds,
    step: Callable[[float], None] | None = None,
) -> Audit:
    """Read the bag `folder` once and weigh it; frames are looked at, but none is held.

    `step` is told now and then which share of the bag has been read, 0..1. Raises BagError for a
    bag that is damaged or lacks a stream of `task`, ValueError where `robot` lacks a camera of it.
    """
    robot.require_cameras(task, 'the robot file')
    weighing = _Weighing(task, robot, thresholds)
    with open_bag(folder) as bag:
        weighing.require(bag)
        total = sum(bag.counts[topic] for topic in weighing.topics & bag.counts.keys())
        for number, recorded in enumerate(bag.messages(weighing.topics)):
            weighing.take(recorded)
            if step is not None and number % 100 == 0:
                step(number / total)
    found = weighing.audit(folder)
    return replace(found, complaints=complaints(found, thresholds))


class _Weighing:
    """What one pass over a bag keeps."""

    def __init__(self, task: Task, robot: Robot, thresholds: Thresholds) -> None:
        self._task, self._robot = task, robot
        self._windows = WindowWatch(task, robot)
        self._streams = {
            source.topic: StreamWatch(stream, source)
            for stream, source in zip(
                task.observations, self._windows.alignment.inputs, strict=True
            )
        }
        self._pose = isinstance(task.action, CartesianAction)
        self._mode, self._counters = ModeWatch(), CounterWatch()
        self._idle = IdleWatch(
            self._pose,
            thresholds.still_mps,
            thresholds.still_radps,
            round(thresholds.pause_s * 1e9),
        )
        self._commands = 0
        self._tick_rate_hz = float(robot.rate_hz)
        self._begun_ns: int | None = None
        self._ended_ns = 0
        self._spoken = {
            COMMAND: POSE if self._pose else JOINTS,
            MODE: MODE_TYPE,
            DIAGNOSTICS: DIAGNOSTICS_TYPE,
        }

    @property
    def topics(self) -> set[str]:
        """What is read of a bag."""
        return self._streams.keys() | self._spoken.keys()

    def require(self, bag: Bag) -> None:
        """Raise BagError unless the task's streams are in `bag`, and all with their types."""
        spoken = {topic: kind for topic, kind in self._spoken.items() if bag.counts.get(topic)}
        bag.require({w.source.topic: w.source.type for w in self._streams.values()} | spoken)

    def take(self, recorded: Recorded) -> None:
        """The next message, by time of arrival."""
        message, now_ns = recorded.message(), recorded.received_ns
        self._ended_ns = now_ns
        if self._begun_ns is None:
            self._begun_ns = now_ns
        watch = self._streams.get(recorded.topic)
        if watch is not None:
            watch.look(message, now_ns)
            self._windows.receive(watch.source, message, now_ns)
        if recorded.topic == COMMAND:
            self._command(message)
        elif recorded.topic == MODE:
            self._mode.announced(message.data, now_ns)
        elif recorded.topic == DIAGNOSTICS:
            for status in message.status:
                self._status(status, now_ns)

    def audit(self, folder: Path) -> Audit:
        """What it all amounts to, without complaints."""
        begun_ns, ended_ns = self._begun_ns or 0, self._ended_ns
        self._windows.end(ended_ns)
        self._idle.end()
        outcome, lost = _recorded(folder)
        risen = self._counters.risen
        limited = _named(risen, 'limited_')
        return Audit(
            folder=folder,
            task=self._task.name,
            outcome=outcome,
            seconds=(ended_ns - begun_ns) / 1e9,
            streams=tuple(
                watch.figures(
                    begun_ns,
                    ended_ns,
                    self._windows.skews_ns.get(watch.stream.name, ()),
                    lost(topic),
                    self._windows.alignment.malformed[watch.stream.name],
                )
                for topic, watch in self._streams.items()
            ),
            windows=self._windows.figures(),
            stretches=self._mode.stretches(begun_ns, ended_ns),
            commands=self._commands,
            idle_s=self._idle.total_ns / 1e9,
            idle_longest_s=self._idle.longest_ns / 1e9,
            limited=limited,
            limited_s=max(limited.values(), default=0) / self._tick_rate_hz,
            chunks=_named(risen, 'chunks_'),
            protective_stops=risen['protective_stops'],
            fingerprint=self._fingerprint(),
        )

    def _command(self, message: Any) -> None:
        try:
            stamp_ns, values = self._commanded(message)
        except MessageError:
            return
        self._commands += 1
        self._idle.command(stamp_ns, values, self._mode.mode)

    def _commanded(self, message: Any) -> tuple[int, Array]:
        if self._pose:
            sample = messages.pose_sample(message)
        else:
            sample = messages.joint_sample(message, self._robot.arm.joints)
        return sample.stamp_ns, sample.value

    def _status(self, status: Any, now_ns: int) -> None:
        if status.name != 'executor':
            return
        values = {pair.key: pair.value for pair in status.values}
        if 'mode' in values:
            self._mode.reported(values['mode'], now_ns)
        # It may have been started at another rate than the robot file's.
        measured = float(values.get('rate_hz', 0))
        self._tick_rate_hz = measured if measured > 1 else self._tick_rate_hz
        self._counters.report(counters(status.values))

    def _fingerprint(self) -> str:
        total = blake2b(digest_size=16)
        for topic, watch in self._streams.items():
            total.update(topic.encode())
            total.update(watch.stamps_ns.tobytes())
        return total.hexdigest()


def _recorded(folder: Path) -> tuple[str, Callable[[str], tuple[int, int]]]:
    """Outcome, and by topic what the recorder dropped and missed, where it left word of them."""
    if not (folder / episodes.FILE).exists():
        return 'unknown', lambda _: (0, 0)
    known = episodes.load(folder)
    return known.outcome, lambda topic: (known.dropped.get(topic, 0), known.missed.get(topic, 0))


def _named(risen: dict[str, int], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): count
        for name, count in risen.items()
        if name.startswith(prefix) and count
    }
