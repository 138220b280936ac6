"""Observation windows: stamped samples of every stream, aligned on the policy grid.

The grid is absolute: its points are the multiples of the period in ROS time, so two windows never
disagree about where the grid lies. A window has T_o grid times ending at its anchor. Streams are
interpolated between the two samples around each grid time; nothing is extrapolated, nothing is
repeated, and what cannot be had is refused with a reason that names the stream.
"""

import bisect
import enum
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dp_ros.core import trajectory
from dp_ros.core.stamped import ObservationWindow, Sample, frozen_array


class Refusal(enum.Enum):
    """Why there is no window."""

    MISSING = 'no sample has come'
    NOT_COVERED = 'no sample at or after the anchor yet'
    GAP = 'two neighbouring samples lie too far apart'
    BEFORE_FIRST = 'the window begins before the first sample'
    STALE = 'the newest sample is too old'


@dataclass(frozen=True)
class Refused:
    """No window: the reason, the stream that is to blame, and the times that tell."""

    reason: Refusal
    stream: str
    detail: str

    def __str__(self) -> str:
        return f'{self.stream}: {self.reason.value} ({self.detail})'


@dataclass(frozen=True)
class StreamSpec:
    """How a stream is aligned: poses rotate along the shorter arc.

    tolerance_ns: the largest span between two samples that is bridged.
    """

    pose: bool
    tolerance_ns: int


class StreamBuffer:
    """The recent samples of one stream, ordered by stamp whatever order they came in."""

    def __init__(self, spec: StreamSpec, keep_ns: int) -> None:
        self.spec = spec
        self._keep_ns = keep_ns
        self._samples: deque[Sample] = deque()
        self.duplicates = 0

    def add(self, sample: Sample) -> None:
        """Insert by stamp; a second sample with a stamp already held is dropped and counted."""
        stamps = [s.stamp_ns for s in self._samples]
        place = bisect.bisect_left(stamps, sample.stamp_ns)
        if place < len(stamps) and stamps[place] == sample.stamp_ns:
            self.duplicates += 1
            return
        self._samples.insert(place, sample)
        oldest = self._samples[-1].stamp_ns - self._keep_ns
        while self._samples[0].stamp_ns < oldest:
            self._samples.popleft()

    def clear(self) -> None:
        """Forget all samples."""
        self._samples.clear()

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest sample."""
        return self._samples[-1].stamp_ns if self._samples else None

    def at(self, times_ns: tuple[int, ...], name: str) -> np.ndarray | Refused:
        """Values (T_o, n) at rising grid times, or why not."""
        if not self._samples:
            return Refused(Refusal.MISSING, name, f'expected samples at {times_ns[-1]} ns')
        stamps = np.array([s.stamp_ns for s in self._samples], dtype=np.int64)
        if stamps[-1] < times_ns[-1]:
            late = (times_ns[-1] - stamps[-1]) / 1e6
            return Refused(Refusal.NOT_COVERED, name, f'newest is {late:.0f} ms before the anchor')
        if stamps[0] > times_ns[0]:
            early = (stamps[0] - times_ns[0]) / 1e6
            return Refused(Refusal.BEFORE_FIRST, name, f'by {early:.0f} ms')
        for time in times_ns:
            after = int(np.searchsorted(stamps, time, side='left'))
            exact = stamps[after] == time
            span = 0 if exact else int(stamps[after] - stamps[after - 1])
            if span > self.spec.tolerance_ns:
                allowed = self.spec.tolerance_ns / 1e6
                detail = f'{span / 1e6:.0f} ms, {allowed:.0f} ms allowed'
                return Refused(Refusal.GAP, name, detail)
        values = np.stack([s.value for s in self._samples])
        grid = np.array(times_ns, dtype=np.int64)
        return trajectory.sample(stamps, values, grid, self.spec.pose)


class WindowBuilder:
    """Buffers of all streams of a task, and the windows that they allow."""

    def __init__(self, specs: Mapping[str, StreamSpec], period_ns: int, steps: int) -> None:
        self.period_ns, self.steps = period_ns, steps
        # One more second than the window, so that a slow stream still meets its neighbours.
        keep_ns = period_ns * steps + 1_000_000_000
        self._buffers = {name: StreamBuffer(spec, keep_ns) for name, spec in specs.items()}

    def add(self, stream: str, sample: Sample) -> None:
        """Take a sample of a stream."""
        self._buffers[stream].add(sample)

    def clear(self) -> None:
        """Forget everything: the world was reset, or time jumped."""
        for buffer in self._buffers.values():
            buffer.clear()

    def newest_anchor_ns(self) -> int | None:
        """The newest grid time that every stream covers; None while one has no sample."""
        newest = [buffer.newest_ns for buffer in self._buffers.values()]
        known = [stamp for stamp in newest if stamp is not None]
        if len(known) < len(newest):
            return None
        return min(known) // self.period_ns * self.period_ns

    def ages_ns(self, now_ns: int) -> dict[str, int | None]:
        """Age of the newest sample of each stream; None where none has come."""
        return {
            name: None if buffer.newest_ns is None else now_ns - buffer.newest_ns
            for name, buffer in self._buffers.items()
        }

    def window(self, anchor_ns: int, now_ns: int) -> ObservationWindow | Refused:
        """The window ending at `anchor_ns`, or the reason of the first stream that lacks it."""
        times = tuple(anchor_ns - self.period_ns * i for i in reversed(range(self.steps)))
        streams = {}
        for name, buffer in self._buffers.items():
            if buffer.newest_ns is not None:
                age, allowed = now_ns - buffer.newest_ns, buffer.spec.tolerance_ns
                if age > allowed:
                    detail = f'{age / 1e6:.0f} ms, {allowed / 1e6:.0f} ms allowed'
                    return Refused(Refusal.STALE, name, detail)
            values = buffer.at(times, name)
            if isinstance(values, Refused):
                return values
            streams[name] = frozen_array(values)
        return ObservationWindow(times, streams)
