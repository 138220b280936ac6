"""What was commanded at a time, and by whom: the executor's own words, out of a bag."""

from collections import deque

import numpy as np

from dp_ros.core import trajectory
from dp_ros.core.stamped import Array, Sample

# Commands come at 60 Hz or more; what lies between two that are further apart is not known.
LONGEST_GAP_NS = 100_000_000
# A command that has not come so long after its time will not come.
PATIENCE_NS = 1_000_000_000


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
        after = int(np.searchsorted(stamps, time_ns, side='left'))
        if after == len(stamps):
            return None
        if stamps[after] != time_ns and (
            after == 0 or stamps[after] - stamps[after - 1] > LONGEST_GAP_NS
        ):
            return None
        values = np.stack([sample.value for sample in self._samples])
        return trajectory.sample(stamps, values, np.array([time_ns], np.int64), self._pose)[0]


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
