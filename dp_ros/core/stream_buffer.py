"""The recent samples of one stream, and what they say at given grid times.

Poses and joints are interpolated between the two samples around each grid time. Of images the
newest frame at or before the grid time is taken. Nothing is extrapolated.
"""

import bisect
import enum
from collections import deque
from dataclasses import dataclass

import numpy as np

from dp_ros.core import trajectory
from dp_ros.core.refusal import Refusal, Refused
from dp_ros.core.stamped import Array, Sample, frozen_array

# Stamps further ahead of now, or further behind the newest one, are no delay: a clock has jumped.
JUMP_NS = 1_000_000_000


class Kind(enum.Enum):
    """What the samples of a stream are, and so how they meet a grid time."""

    POSE = 'pose'  # position linear, rotation along the shorter arc
    LINEAR = 'linear'
    FRAME = 'frame'  # the newest one at or before the grid time


@dataclass(frozen=True)
class StreamSpec:
    """How a stream is aligned.

    tolerance_ns: poses, joints: the largest span between two samples that is bridged; frames: how
    old the frame may be at its grid time. period_ns: of a camera.
    """

    kind: Kind
    tolerance_ns: int
    period_ns: int = 0

    @property
    def reach_ns(self) -> int:
        """How far beyond its newest stamp a stream covers the grid.

        A camera that keeps its rate sends no second frame within 0.9 periods: the newest frame is
        then the last one at or before any grid time less than that later, and nobody need wait for
        the next one to know it. A frame that comes all the same is counted as late.
        """
        return -(-self.period_ns * 9 // 10) - 1 if self.kind is Kind.FRAME else 0

    @property
    def oldest_ns(self) -> int:
        """Age of the newest sample from which the stream is stale: a camera has its period."""
        return self.tolerance_ns + self.period_ns


class StreamBuffer:
    """Samples ordered by stamp, whatever order they came in.

    Counted: `duplicates` (a stamp already held), `late` (at or before an anchor already served),
    `jumps` (stamps far ahead of now or far behind the newest).
    """

    def __init__(self, name: str, spec: StreamSpec, keep_ns: int) -> None:
        self.name, self.spec = name, spec
        self.duplicates = self.late = self.jumps = 0
        self._keep_ns = keep_ns
        self._samples: deque[Sample] = deque()
        self._served_ns: int | None = None
        self._ahead = self._restart = ''
        self._fault: Refused | None = None

    def add(self, sample: Sample, now_ns: int) -> None:
        """Insert by stamp; a duplicate or a stamp far ahead of now is dropped.

        A stamp far behind the newest one empties the buffer, which begins anew from it.
        """
        if sample.stamp_ns > now_ns + JUMP_NS:
            self.jumps += 1
            self._ahead = f'{(sample.stamp_ns - now_ns) / 1e9:.1f} s ahead of now'
            return
        self._ahead = ''
        newest = self.newest_ns
        if newest is not None and sample.stamp_ns < newest - JUMP_NS:
            self.jumps += 1
            self.restart(f'{(newest - sample.stamp_ns) / 1e9:.1f} s back')
        if not self._insert(sample):
            self.duplicates += 1
            return
        if self._served_ns is not None and sample.stamp_ns <= self._served_ns:
            self.late += 1
        oldest = self._samples[-1].stamp_ns - self._keep_ns
        while self._samples[0].stamp_ns < oldest:
            self._samples.popleft()
            self._restart = ''

    def restart(self, detail: str) -> None:
        """Forget all samples, because of a jump that `detail` describes."""
        self._samples.clear()
        self._served_ns, self._restart = None, detail

    def set_fault(self, fault: Refused | None) -> None:
        """What is wrong with the samples themselves; None when they are sound again."""
        self._fault = fault

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest sample."""
        return self._samples[-1].stamp_ns if self._samples else None

    @property
    def covered_ns(self) -> int | None:
        """The newest time at which the stream's value is known for good."""
        newest = self.newest_ns
        return None if newest is None else newest + self.spec.reach_ns

    def trouble(self, now_ns: int) -> Refused | None:
        """What is wrong with the stream at `now_ns`, whichever window is asked for."""
        newest = self.newest_ns
        if self._fault is not None:
            return self._fault
        if self._ahead:
            return Refused(Refusal.JUMP, self.name, self._ahead)
        if newest is None:
            return self._absent()
        age, allowed = now_ns - newest, self.spec.oldest_ns
        if age < -JUMP_NS:
            return Refused(Refusal.JUMP, self.name, f'now lies {-age / 1e9:.1f} s before them')
        if age > allowed:
            detail = f'{age / 1e6:.0f} ms, {allowed / 1e6:.0f} ms allowed'
            return self._explained(Refused(Refusal.STALE, self.name, detail))
        return None

    def rows(self, times_ns: tuple[int, ...]) -> Array | Refused:
        """Values (T_o, n) of poses or joints at rising grid times, or why not."""
        refused = self._uncovered(times_ns) or self._gap(times_ns)
        if refused is not None:
            return self._explained(refused)
        stamps = self._stamps()
        values = np.stack([sample.value for sample in self._samples])
        grid = np.array(times_ns, dtype=np.int64)
        pose = self.spec.kind is Kind.POSE
        return frozen_array(trajectory.sample(stamps, values, grid, pose))

    def frames(self, times_ns: tuple[int, ...]) -> tuple[Sample, ...] | Refused:
        """The frame (T_o of them) for each of the rising grid times, or why not."""
        refused = self._uncovered(times_ns)
        if refused is not None:
            return self._explained(refused)
        chosen = tuple(self._at_or_before(time) for time in times_ns)
        for time, sample in zip(times_ns, chosen, strict=True):
            age, allowed = time - sample.stamp_ns, self.spec.tolerance_ns
            if age > allowed:
                detail = f'{age / 1e6:.0f} ms, {allowed / 1e6:.0f} ms allowed'
                return self._explained(Refused(Refusal.SKEW, self.name, detail))
        return chosen

    def served(self, anchor_ns: int) -> None:
        """A window with this anchor has been given: what comes for it now is late."""
        self._restart = ''
        self._served_ns = max(anchor_ns, self._served_ns or anchor_ns)

    def settled(self, time_ns: int) -> Sample | None:
        """The frame for a grid time as soon as no other can take its place; None before."""
        covered = self.covered_ns
        if covered is None or not self._samples[0].stamp_ns <= time_ns <= covered:
            return None
        sample = self._at_or_before(time_ns)
        return sample if time_ns - sample.stamp_ns <= self.spec.tolerance_ns else None

    def _insert(self, sample: Sample) -> bool:
        newest = self.newest_ns
        if newest is None or sample.stamp_ns > newest:
            self._samples.append(sample)
            return True
        place = bisect.bisect_left(self._samples, sample.stamp_ns, key=_stamp)
        if self._samples[place].stamp_ns == sample.stamp_ns:
            return False
        self._samples.insert(place, sample)
        return True

    def _at_or_before(self, time_ns: int) -> Sample:
        return self._samples[bisect.bisect_right(self._samples, time_ns, key=_stamp) - 1]

    def _absent(self) -> Refused:
        missing = 'is it published, and under this name?'
        return self._explained(Refused(Refusal.MISSING, self.name, missing))

    def _uncovered(self, times_ns: tuple[int, ...]) -> Refused | None:
        covered = self.covered_ns
        if covered is None:
            return self._absent()
        if covered < times_ns[-1]:
            detail = f'newest is {(times_ns[-1] - self._samples[-1].stamp_ns) / 1e6:.0f} ms before'
            return Refused(Refusal.NOT_COVERED, self.name, detail)
        early = self._samples[0].stamp_ns - times_ns[0]
        if early > 0:
            return Refused(Refusal.BEFORE_FIRST, self.name, f'by {early / 1e6:.0f} ms')
        return None

    def _gap(self, times_ns: tuple[int, ...]) -> Refused | None:
        stamps = self._stamps()
        for time in times_ns:
            after = int(np.searchsorted(stamps, time, side='left'))
            exact = stamps[after] == time
            span = 0 if exact else int(stamps[after] - stamps[after - 1])
            if span > self.spec.tolerance_ns:
                allowed = self.spec.tolerance_ns / 1e6
                detail = f'{span / 1e6:.0f} ms, {allowed:.0f} ms allowed'
                return Refused(Refusal.GAP, self.name, detail)
        return None

    def _stamps(self) -> trajectory.Stamps:
        return np.array([sample.stamp_ns for sample in self._samples], dtype=np.int64)

    def _explained(self, refused: Refused) -> Refused:
        """Until the first window after a restart, the jump is why samples are wanting."""
        return Refused(Refusal.JUMP, self.name, self._restart) if self._restart else refused


def _stamp(sample: Sample) -> int:
    return sample.stamp_ns
