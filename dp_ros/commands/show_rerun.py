"""An episode as a recording for rerun (rerun.io): every frame, every number, who commanded."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dp_ros import atomic
from dp_ros.data import messages, pictures, replay_buffer
from dp_ros.data.bag import open_bag
from dp_ros.data.messages import MessageError
from dp_ros.data.story import from_set as story_set
from dp_ros.data.stream_inputs import stream_inputs
from dp_ros.data.topic_names import COMMAND, MODE
from dp_ros.robot import Robot
from dp_ros.task import CartesianAction, ImageStream, PoseStream, Task, pose_components

JPEG_QUALITY = 90


def require() -> None:
    """Raise ImportError with what to install, where rerun is not."""
    try:
        import rerun  # noqa: F401
    except ImportError:
        raise ImportError(
            "rerun is not installed; it comes with: pip install 'dp_ros[rerun]' -c constraints.txt"
        ) from None


def write_bag(folder: Path, task: Task, robot: Robot, out: Path) -> None:
    """The streams of `task`, the commands and the modes in the bag `folder`, by arrival."""
    streams = {
        source.topic: stream
        for source, stream in zip(stream_inputs(task, robot), task.observations, strict=True)
    }
    with open_bag(folder) as bag, _recording(out) as log:
        for recorded in bag.messages(streams.keys() | {COMMAND, MODE}):
            message = recorded.message()
            try:
                if recorded.topic == MODE:
                    log.text('mode', message.data, recorded.received_ns)
                    continue
                stamp_ns = messages.nanoseconds(message.header.stamp)
                stream = streams.get(recorded.topic)
                if isinstance(stream, ImageStream):
                    log.image(stream.name, pictures.array(message), stamp_ns)
                elif stream is not None:
                    pose = isinstance(stream, PoseStream)
                    log.numbers(stream.name, stream.components, message, pose, stamp_ns)
                else:
                    pose = isinstance(task.action, CartesianAction)
                    log.numbers('command', task.action.components, message, pose, stamp_ns)
            except MessageError:
                continue


def write_set(path: Path, number: int, out: Path) -> None:
    """The frames and numbers of episode `number` of the set `path`; raises DatasetError."""
    episode, story = replay_buffer.read(path)[number], story_set.read(path, number, 1)
    with _recording(out) as log:
        for title, curves in story.panels.items():
            for curve in curves:
                for time, value in zip(curve.times, curve.values, strict=True):
                    log.number(f'{title}/{curve.label}', float(value), round(time * 1e9))
        for camera in story.film:
            for row in range(len(episode)):
                frame = story_set.frame(path, camera, episode.start + row)
                time = story.end * row / len(episode)
                log.image(camera, frame, round(time * 1e9))


class _Log:
    """Written to a recording; times are nanoseconds, and paths are escaped."""

    def __init__(self, stream: Any) -> None:
        import rerun

        self._rerun, self._stream = rerun, stream

    def text(self, name: str, text: str, time_ns: int) -> None:
        self._at(time_ns)
        self._stream.log([name], self._rerun.TextLog(text))

    def number(self, name: str, value: float, time_ns: int) -> None:
        self._at(time_ns)
        self._stream.log(name.split('/'), self._rerun.Scalars(value))

    def numbers(
        self, name: str, components: tuple[str, ...], message: Any, pose: bool, time_ns: int
    ) -> None:
        """The components of a PoseStamped or a JointState; raises MessageError."""
        if pose:
            row = pose_components(messages.pose_sample(message).value, components)
        else:
            row = messages.joint_sample(message, components).value
        for component, value in zip(components, row.tolist(), strict=True):
            self.number(f'{name}/{component}', value, time_ns)

    def image(self, name: str, frame: pictures.Pixels, time_ns: int) -> None:
        self._at(time_ns)
        image = self._rerun.Image(np.ascontiguousarray(frame)).compress(jpeg_quality=JPEG_QUALITY)
        self._stream.log([name], image)

    def _at(self, time_ns: int) -> None:
        self._stream.set_time('time', timestamp=np.datetime64(time_ns, 'ns'))


@contextmanager
def _recording(out: Path) -> Iterator[_Log]:
    """A recording that becomes the file `out` when the block ends well."""
    import rerun

    with atomic.replacing(out) as temporary:
        stream = rerun.RecordingStream('dp_ros')
        stream.save(temporary)
        try:
            yield _Log(stream)
        finally:
            stream.flush()
            stream.disconnect()
