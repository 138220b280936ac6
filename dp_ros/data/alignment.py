"""Messages in, observation windows out: the one way from streams to a policy's input.

The observation node feeds it what arrives, a bag's reader what was recorded; both get the same
windows from the same messages, bit for bit.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dp_ros.core.refusal import Refusal, Refused
from dp_ros.core.stamped import ObservationWindow, Sample
from dp_ros.core.window import WindowBuilder
from dp_ros.data.messages import MessageError
from dp_ros.data.pictures import Pixels
from dp_ros.data.stream_inputs import StreamInput, stream_inputs
from dp_ros.robot import Robot
from dp_ros.task import Task

StampedImage = tuple[int, Pixels]


class Alignment:
    """The streams of `task` with the latencies and transports of `robot`, aligned on its grid.

    malformed: messages that could not be read, by stream. Callers see to their own locks.
    """

    def __init__(self, task: Task, robot: Robot | None) -> None:
        self.inputs = stream_inputs(task, robot)
        specs = {stream.name: stream.spec for stream in self.inputs}
        self.builder = WindowBuilder(specs, task.period_ns, task.horizons.observation)
        self.malformed: Counter[str] = Counter()

    def receive(self, stream: StreamInput, message: Any, now_ns: int) -> bool:
        """Take a message of `stream` that came at `now_ns`; False if it cannot be read.

        A message that cannot be read refuses windows until the next sound one.
        """
        try:
            sample = stream.sample(message)
        except MessageError as error:
            self.malformed[stream.name] += 1
            self.builder.set_fault(stream.name, Refusal.MALFORMED, str(error))
            return False
        self.builder.add(stream.name, sample, now_ns)
        self.builder.set_fault(stream.name, stream.fault, 'for a second or more')
        return True


def prepared(camera: str, frame: Sample) -> Pixels | Refused:
    """A frame as the policy sees it, made once and kept; or why it cannot be had."""
    try:
        seen: Pixels = frame.value.prepared()
    except MessageError as error:
        return Refused(Refusal.MALFORMED, camera, str(error))
    return seen


def images(window: ObservationWindow) -> dict[str, list[StampedImage]] | Refused:
    """Camera -> its T_o (capture time [ns], frame as the policy sees it), or why not."""
    seen: dict[str, list[StampedImage]] = {}
    for camera, frames in window.frames.items():
        seen[camera] = []
        for frame in frames:
            image = prepared(camera, frame)
            if isinstance(image, Refused):
                return image
            seen[camera].append((frame.stamp_ns, image))
    return seen


def digest(window: ObservationWindow, frames: Mapping[str, Sequence[StampedImage]]) -> str:
    """16 hexadecimal digits that two windows share only if all of their bits agree."""
    total = hashlib.blake2b(np.array(window.stamps_ns, np.int64).tobytes(), digest_size=8)
    for name, rows in window.streams.items():
        total.update(name.encode())
        total.update(np.ascontiguousarray(rows).tobytes())
    for name, stamped in frames.items():
        total.update(name.encode())
        for stamp_ns, image in stamped:
            total.update(stamp_ns.to_bytes(8, 'little', signed=True))
            total.update(np.ascontiguousarray(image).tobytes())
    return total.hexdigest()
