"""What the executor did during an episode: who commanded, how long nothing moved, what it said."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dp_ros.core.stamped import Array

POLICY, TELEOPERATED, UNKNOWN = 'policy', 'teleoperated', 'unknown'
COMMANDING = (POLICY, TELEOPERATED)
# Verdicts on a chunk that a healthy policy meets around a start and a stop.
HARMLESS = ('accepted', 'not_armed', 'old_epoch')
# Longer without a command is no slow command.
_BREAK_NS = 500_000_000


@dataclass(frozen=True)
class Stretch:
    """One mode, from `begun_s` to `ended_s` after the start of the episode."""

    mode: str
    begun_s: float
    ended_s: float


class ModeWatch:
    """The modes of an episode, by the time at which they were heard of."""

    def __init__(self) -> None:
        self._changes: list[tuple[int, str]] = []
        self._announced = False
        self.mode = UNKNOWN

    def announced(self, mode: str, received_ns: int) -> None:
        """The executor announced that it enters `mode`."""
        self._announced = True
        self._change(mode, received_ns)

    def reported(self, mode: str, received_ns: int) -> None:
        """A periodic report; the first one, before any announcement, holds since the start."""
        if not self._announced:
            self._change(mode, received_ns if self._changes else 0)

    def _change(self, mode: str, time_ns: int) -> None:
        if mode != self.mode:
            self._changes.append((time_ns, mode))
            self.mode = mode

    def stretches(self, begun_ns: int, ended_ns: int) -> tuple[Stretch, ...]:
        """One after the other, without a gap, over the whole episode."""
        changes = [(begun_ns, UNKNOWN), *((max(t, begun_ns), m) for t, m in self._changes)]
        ends = [time for time, _ in changes[1:]] + [ended_ns]
        return tuple(
            Stretch(mode, (begun - begun_ns) / 1e9, (ended - begun_ns) / 1e9)
            for (begun, mode), ended in zip(changes, ends, strict=True)
            if ended > begun
        )


def seconds_by_mode(stretches: Iterable[Stretch]) -> dict[str, float]:
    """Mode -> seconds."""
    total: defaultdict[str, float] = defaultdict(float)
    for stretch in stretches:
        total[stretch.mode] += stretch.ended_s - stretch.begun_s
    return dict(total)


def interventions(stretches: Iterable[Stretch]) -> int:
    """How often a person took over from the policy."""
    commanders = [s.mode for s in stretches if s.mode in COMMANDING]
    return sum(pair == (POLICY, TELEOPERATED) for pair in pairwise(commanders))


class IdleWatch:
    """Stretches in which someone commands, but asks for no motion.

    pose: whether commands are TCP poses, else joint positions. slowest: speed [m/s] below which a
    TCP counts as still; turning: the same for a TCP's rotation, and for joints [rad/s]. Shorter
    stretches than `shortest_ns` do not count.
    """

    def __init__(self, pose: bool, slowest: float, turning: float, shortest_ns: int) -> None:
        self._pose, self._shortest_ns = pose, shortest_ns
        self._slowest, self._turning = slowest, turning
        self._last: tuple[int, Array] | None = None
        self._since_ns: int | None = None
        self.total_ns = self.longest_ns = 0

    def command(self, stamp_ns: int, values: Array, mode: str) -> None:
        """A command, pose (7,) or joint positions (n,), that was sent in `mode`."""
        last, self._last = self._last, (stamp_ns, values)
        if last is None or not 0 < stamp_ns - last[0] < _BREAK_NS or mode not in COMMANDING:
            self.end()
            return
        if self._moves((stamp_ns - last[0]) / 1e9, last[1], values):
            self.end()
            return
        if self._since_ns is None:
            self._since_ns = last[0]
        self._until_ns = stamp_ns

    def end(self) -> None:
        """The stretch that runs, if any, ends with the last command told of."""
        if self._since_ns is not None:
            length = self._until_ns - self._since_ns
            if length >= self._shortest_ns:
                self.total_ns += length
                self.longest_ns = max(self.longest_ns, length)
        self._since_ns = None

    def _moves(self, seconds: float, before: Array, after: Array) -> bool:
        if not self._pose:
            return bool(np.abs(after - before).max() >= self._turning * seconds)
        if np.linalg.norm(after[:3] - before[:3]) >= self._slowest * seconds:
            return True
        same = min(1.0, abs(float(before[3:] @ after[3:])))
        return bool(2 * np.arccos(same) >= self._turning * seconds)


class CounterWatch:
    """By how much counters of a status rose; one that fell has begun anew from 0."""

    def __init__(self) -> None:
        self._last: dict[str, int] | None = None
        self.risen: Counter[str] = Counter()

    def report(self, counters: dict[str, int]) -> None:
        """All counters of one report; one that is new was 0 before."""
        if self._last is not None:
            for name, count in counters.items():
                before = self._last.get(name, 0)
                self.risen[name] += count - before if count >= before else count
        self._last = counters


def counters(values: Iterable[Any]) -> dict[str, int]:
    """Key/value pairs of the status 'executor' -> the counters among them."""
    return {
        pair.key: int(pair.value)
        for pair in values
        if pair.key.startswith(('limited_', 'chunks_')) or pair.key == 'protective_stops'
        if pair.value.isdigit()
    }
