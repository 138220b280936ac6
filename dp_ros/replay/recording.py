"""What a bag tells of its own run, read ahead of a replay: it is compared with it."""

import contextlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dp_ros.core import trajectory
from dp_ros.core.stamped import Array, Sample
from dp_ros.data import messages, topic_names
from dp_ros.data.bag import Bag
from dp_ros.data.bag_windows import planned_digests
from dp_ros.data.command_track import command_sample, command_type, known
from dp_ros.data.messages import MessageError
from dp_ros.data.stream_inputs import POSE
from dp_ros.replay import stretches
from dp_ros.replay.stretches import Stretch
from dp_ros.task import CartesianAction, Task


@dataclass(frozen=True)
class Series:
    """Values (m, k) at rising times (m,) [ns]: poses (7,) or joints."""

    stamps_ns: NDArray[np.int64]
    values: Array

    def at(self, times_ns: NDArray[np.int64], pose: bool) -> Array:
        """Interpolated values (n, k); rows of NaN outside, and in gaps."""
        stamps = self.stamps_ns
        if not len(stamps):
            return np.full((len(times_ns), self.values.shape[1]), np.nan)
        found = trajectory.sample(stamps, self.values, times_ns, pose)
        return np.where(known(stamps, times_ns)[:, None], found, np.nan)


@dataclass(frozen=True)
class Recording:
    """The run that was recorded.

    begin_ns, end_ns: arrival of the first and last message that counts; commands: what was sent
    to the arm, by header stamp; tip: the measured tool centre point; told: anchor [ns] -> digest
    of the window that the live node planned from.
    """

    begin_ns: int
    end_ns: int
    stretches: tuple[Stretch, ...]
    commands: Series
    tip: Series
    told: dict[int, str]


def read(bag: Bag, task: Task) -> Recording:
    """Read what was commanded, measured and told; raises BagError."""
    pose = isinstance(task.action, CartesianAction)
    wanted = {
        topic_names.MODE: 'std_msgs/msg/String',
        topic_names.COMMAND: command_type(task),
        topic_names.TCP_POSE: POSE,
    }
    told = {topic_names.DIAGNOSTICS: 'diagnostic_msgs/msg/DiagnosticArray'}
    present = {topic: kind for topic, kind in (wanted | told).items() if bag.counts.get(topic)}
    bag.require(present)
    modes: list[tuple[int, str]] = []
    commands: list[Sample] = []
    arrivals: list[int] = []
    tip: list[Sample] = []
    begin_ns = end_ns = 0
    for recorded in bag.messages(set(wanted)):
        begin_ns, end_ns = begin_ns or recorded.received_ns, recorded.received_ns
        message = recorded.message()
        if recorded.topic == topic_names.MODE:
            modes.append((recorded.received_ns, str(message.data)))
        else:
            # A value that is not finite is no truth to compare with.
            with contextlib.suppress(MessageError):
                if recorded.topic == topic_names.TCP_POSE:
                    tip.append(messages.pose_sample(message))
                else:
                    commands.append(command_sample(task, message))
                    arrivals.append(recorded.received_ns)
    width = 7 if pose else len(task.action.components)
    found = stretches.find(modes, arrivals, end_ns)
    return Recording(
        begin_ns,
        end_ns,
        tuple(found),
        _series(commands, width),
        _series(tip, 7),
        planned_digests(bag),
    )


def _series(samples: list[Sample], width: int) -> Series:
    ordered = list({sample.stamp_ns: sample for sample in samples}.values())
    ordered.sort(key=lambda sample: sample.stamp_ns)
    stamps = np.array([sample.stamp_ns for sample in ordered], np.int64)
    values = np.array([sample.value for sample in ordered], float).reshape(-1, width)
    return Series(stamps, values)
