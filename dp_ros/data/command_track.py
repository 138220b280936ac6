"""What was commanded at a time, and by whom: the executor's own words, out of a bag."""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dp_ros.core import trajectory
from dp_ros.core.stamped import Array, Sample
from dp_ros.data import messages
from dp_ros.data.stream_inputs import JOINTS, POSE
from dp_ros.task import CartesianAction, Task

# Commands come at 60 Hz or more; what lies between two that are further apart is not known.
LONGEST_GAP_NS = 100_000_000
# A command that has not come so long after its time will not come.
PATIENCE_NS = 1_000_000_000


def command_type(task: Task) -> str:
    """Type of the messages on /executor/command."""
    return POSE if isinstance(task.action, CartesianAction) else JOINTS


def command_sample(task: Task, message: Any) -> Sample:
    """A command: pose (7,), or the task's joints in its order; raises MessageError."""
    if isinstance(task.action, CartesianAction):
        return messages.pose_sample(message)
    return messages.joint_sample(message, task.action.components)


def as_action(task: Task, commands: Array) -> Array:
    """Commands (..., 7), or joints (..., k) -> the components that the task predicts (..., k)."""
    if isinstance(task.action, CartesianAction):
        return task.action.actions(commands)
    return commands


def known(stamps_ns: trajectory.Stamps, times_ns: trajectory.Stamps) -> NDArray[np.bool_]:
    """Whether each of the times (n,) lies at a command or between two that are not far apart."""
    if not len(stamps_ns):
        return np.zeros(len(times_ns), bool)
    after = np.clip(np.searchsorted(stamps_ns, times_ns), 0, len(stamps_ns) - 1)
    before = np.clip(np.searchsorted(stamps_ns, times_ns, side='right') - 1, 0, None)
    inside = (times_ns >= stamps_ns[0]) & (times_ns <= stamps_ns[-1])
    close: NDArray[np.bool_] = stamps_ns[after] - stamps_ns[before] <= LONGEST_GAP_NS
    return inside & close


class CommandTrack:
    """The newest commands: poses (7,) if `pose`, else joint positions (n,)."""

    def __init__(self, pose: bool) -> None:
        self._pose = pose
        self._samples: deque[Sample] = deque()

    def add(self, command: Sample) -> None:
        """The next one; raises ValueError if its stamp lies before the one before."""
        newest_ns = self._samples[-1].stamp_ns if self._samples else None
        if newest_ns is not None and command.stamp_ns < newest_ns:
            raise ValueError(
                f'the stamps are out of order: after {newest_ns} ns came {command.stamp_ns} ns. A '
                f'clock was set while it was recorded, or two executors ran'
            )
        if command.stamp_ns != newest_ns:
            self._samples.append(command)
        while self._samples[0].stamp_ns < command.stamp_ns - 2 * PATIENCE_NS:
            self._samples.popleft()

    def settled(self, time_ns: int, now_ns: int) -> bool:
        """Whether `at` will not say anything else of `time_ns` later on."""
        if now_ns < time_ns:
            return False
        covered = bool(self._samples) and self._samples[-1].stamp_ns >= time_ns
        return covered or now_ns >= time_ns + PATIENCE_NS

    def at(self, time_ns: int) -> Array | None:
        """The command in force at `time_ns`, between its neighbours; None where they are far."""
        stamps = np.array([sample.stamp_ns for sample in self._samples], np.int64)
        times = np.array([time_ns], np.int64)
        if not known(stamps, times)[0]:
            return None
        values = np.stack([sample.value for sample in self._samples])
        return trajectory.sample(stamps, values, times, self._pose)[0]


class ModeTrack:
    """The executor's modes by the time at which they were received; it stamps none of them."""

    def __init__(self) -> None:
        self._changes: list[tuple[int, str]] = []

    def add(self, received_ns: int, mode: str) -> None:
        """A mode that was told; one told again is no change."""
        if not self._changes or self._changes[-1][1] != mode:
            self._changes.append((received_ns, mode))

    def throughout(self, start_ns: int, end_ns: int) -> str:
        """The mode from `start_ns` to `end_ns`; '' if it is not known or changed in between."""
        known = [(since, mode) for since, mode in self._changes if since <= end_ns]
        return known[-1][1] if known and known[-1][0] <= start_ns else ''

    def seconds(self, end_ns: int) -> dict[str, float]:
        """How long each mode lasted until `end_ns`."""
        total: dict[str, float] = {}
        ends = [*(since for since, _ in self._changes[1:]), end_ns]
        for (since, mode), until in zip(self._changes, ends, strict=False):
            total[mode] = total.get(mode, 0.0) + (until - since) / 1e9
        return total
