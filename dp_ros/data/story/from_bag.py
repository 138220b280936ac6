"""The story of a recorded episode, in one pass over its bag."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dp_ros.core.mode import STOPS
from dp_ros.core.stamped import Array
from dp_ros.data import episode as episodes
from dp_ros.data import messages, pictures
from dp_ros.data.audit.conduct import ModeWatch, counters
from dp_ros.data.bag import Bag, Recorded, open_bag
from dp_ros.data.messages import MessageError
from dp_ros.data.pictures import Pixels
from dp_ros.data.story.story import Curve, Span, Story, unit_of
from dp_ros.data.stream_inputs import JOINTS, POSE, stream_inputs
from dp_ros.data.topic_names import CHUNK, COMMAND, DIAGNOSTICS, JOINT_STATES, MODE, TCP_POSE
from dp_ros.robot import Robot
from dp_ros.task import (
    CartesianAction,
    ImageStream,
    PoseStream,
    Task,
    pose_components,
)

# A picture shows no more.
APART_NS = 20_000_000
# Older bags say 'stopped' for any stop of the controller.
STOP_MODES = ('stopped', *(mode.value for mode in STOPS))


def read(folder: Path, task: Task, robot: Robot, count: int) -> Story:
    """The episode in `folder` with `count` frames of each camera.

    Raises BagError for a bag that is damaged or lacks a stream of `task`.
    """
    robot.require_cameras(task, 'the robot file')
    with open_bag(folder) as bag:
        telling = _Telling(bag, task, robot, count)
        for recorded in bag.messages(telling.topics):
            telling.take(recorded)
    outcome = f', {episodes.load(folder).outcome}' if (folder / episodes.FILE).exists() else ''
    return telling.story(f'{folder.name}: {task.name}{outcome}')


class _Line:
    """The components of poses or joints over time, thinned out."""

    def __init__(self, components: Sequence[str], value: Callable[[Any], Array]) -> None:
        self.components, self._value = tuple(components), value
        self.stamps_ns, self._rows = array('q'), array('d')

    def add(self, message: Any) -> None:
        stamp_ns = messages.nanoseconds(message.header.stamp)
        if self.stamps_ns and 0 <= stamp_ns - self.stamps_ns[-1] < APART_NS:
            return
        try:
            row = self._value(message)
        except MessageError:
            return
        self.stamps_ns.append(stamp_ns)
        self._rows.extend(row.tolist())

    def curves(self, label: str, begun_ns: int, commanded: bool = False) -> dict[str, Curve]:
        """Component -> its curve, with time from `begun_ns` on."""
        times = (np.array(self.stamps_ns, np.int64) - begun_ns) / 1e9
        rows = np.array(self._rows).reshape(-1, len(self.components))
        return {
            name: Curve(f'{label}{name}', times, rows[:, i], commanded)
            for i, name in enumerate(self.components)
        }


class _Telling:
    """What one pass over a bag keeps of it."""

    def __init__(self, bag: Bag, task: Task, robot: Robot, count: int) -> None:
        inputs = stream_inputs(task, robot)
        self._task = task
        self._cameras = {
            source.topic: stream.name
            for source, stream in zip(inputs, task.observations, strict=True)
            if isinstance(stream, ImageStream)
        }
        action = task.action
        cartesian = isinstance(action, CartesianAction)
        names = action.components
        self._moved = TCP_POSE if cartesian else JOINT_STATES
        kind = POSE if cartesian else JOINTS
        self._lines = {COMMAND: _line(names, cartesian), self._moved: _line(names, cartesian)}
        # Of what moves, that is all there is to see; the other streams have panels of their own.
        self._others = {
            stream.name: (stream.topic, _line(stream.components, isinstance(stream, PoseStream)))
            for stream in task.vectors
            if stream.topic != self._moved or not set(stream.components) <= set(names)
        }
        self._film = defaultdict[str, list[tuple[int, Pixels]]](list)
        self._every_ns = bag.seconds * 1e9 / count
        self._mode = ModeWatch()
        self._begun_ns = self._ended_ns = 0
        self._marks = defaultdict[str, list[Span]](list)
        self._counters: dict[str, int] | None = None
        self._reported_ns = 0
        told = {COMMAND: kind, self._moved: kind}
        told |= {MODE: 'std_msgs/msg/String', DIAGNOSTICS: 'diagnostic_msgs/msg/DiagnosticArray'}
        present = {topic: kind for topic, kind in told.items() if bag.counts.get(topic)}
        needed = {source.topic: source.type for source in inputs} | present
        bag.require(needed)
        self.topics = needed.keys() | {CHUNK}

    def take(self, recorded: Recorded) -> None:
        """The next message, by time of arrival."""
        topic, now_ns = recorded.topic, recorded.received_ns
        self._begun_ns = self._begun_ns or now_ns
        self._ended_ns = now_ns
        if topic in self._cameras:
            self._frame(self._cameras[topic], recorded)
            return
        message = recorded.message()
        if topic in self._lines:
            self._lines[topic].add(message)
        for other, line in self._others.values():
            if topic == other:
                line.add(message)
        if topic == MODE:
            self._announce(message.data, now_ns)
        elif topic == CHUNK:
            splice_ns = messages.nanoseconds(message.header.stamp)
            if splice_ns:  # else the policy has withdrawn its plan
                splice = self._since(splice_ns)
                self._marks['chunk takes over'].append((splice, splice))
        elif topic == DIAGNOSTICS:
            for status in message.status:
                if status.name == 'executor':
                    self._report(status, now_ns)

    def story(self, title: str) -> Story:
        """All of it."""
        return Story(
            title=title,
            unit='s',
            end=self._since(self._ended_ns),
            film={
                camera: [(self._since(stamp), frame) for stamp, frame in self._film[camera]]
                for camera in self._cameras.values()
            },
            panels=self._panels(),
            stretches=self._mode.stretches(self._begun_ns, self._ended_ns),
            marks=self._marks,
        )

    def _panels(self) -> dict[str, list[Curve]]:
        measured = self._lines[self._moved].curves('measured ', self._begun_ns)
        commanded = self._lines[COMMAND].curves('commanded ', self._begun_ns, commanded=True)
        what = 'tcp' if self._moved == TCP_POSE else 'joint'
        panels = {
            _title(what, name, unit_of(name)): [measured[name], commanded[name]]
            for name in self._task.action.components
        }
        for stream, (_, line) in self._others.items():
            curves = line.curves('', self._begun_ns)
            for unit in dict.fromkeys(map(unit_of, curves)):
                names = [name for name in curves if unit_of(name) == unit]
                title = _title(stream, ' '.join(names), unit)
                panels[title] = [curves[name] for name in names]
        return panels

    def _frame(self, camera: str, recorded: Recorded) -> None:
        kept = self._film[camera]
        # The middle of each of so many equal stretches.
        due_ns = self._begun_ns + (len(kept) + 0.5) * self._every_ns
        if recorded.received_ns < due_ns:
            return
        message = recorded.message()
        try:
            frame = pictures.array(message)
        except MessageError:
            return
        kept.append((messages.nanoseconds(message.header.stamp), frame.copy()))

    def _announce(self, mode: str, now_ns: int) -> None:
        if mode in STOP_MODES and mode != self._mode.mode:
            self._marks['stop'].append((self._since(now_ns), self._since(now_ns)))
        self._mode.announced(mode, now_ns)

    def _report(self, status: Any, now_ns: int) -> None:
        """Limits are counted: they were touched somewhere between two reports."""
        values = {pair.key: pair.value for pair in status.values}
        if 'mode' in values:
            self._mode.reported(values['mode'], now_ns)
        found = counters(status.values)
        if self._counters is not None:
            span = self._since(self._reported_ns), self._since(now_ns)
            for name, count in found.items():
                if name.startswith('limited_') and count != self._counters.get(name, 0):
                    self._marks[f'limit: {name.removeprefix("limited_")}'].append(span)
        self._counters, self._reported_ns = found, now_ns

    def _since(self, time_ns: int) -> float:
        return (time_ns - self._begun_ns) / 1e9


def _line(components: Sequence[str], pose: bool) -> _Line:
    if pose:
        return _Line(
            components,
            lambda message: pose_components(
                messages.pose_sample(message).value, tuple(components)
            ),
        )
    return _Line(components, lambda message: messages.joint_sample(message, components).value)


def _title(what: str, components: str, unit: str) -> str:
    return f'{what} {components} [{unit}]' if unit else f'{what} {components}'
