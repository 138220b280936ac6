"""What arrived of each stream of a task: how much of it, how late, how often again."""

from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dp_ros.data import pictures
from dp_ros.data.messages import MessageError, nanoseconds
from dp_ros.data.stream_inputs import StreamInput
from dp_ros.task import ImageStream, JointStream, PoseStream

Stamps = NDArray[np.int64]


@dataclass(frozen=True)
class Spread:
    """Median, 99th percentile and largest of some times [ms]."""

    p50: float
    p99: float
    largest: float

    @classmethod
    def of(cls, times_ns: ArrayLike) -> 'Spread | None':
        """None where there are no times."""
        times = np.asarray(times_ns, dtype=float) / 1e6
        if not times.size:
            return None
        p50, p99 = np.percentile(times, [50, 99])
        return cls(float(p50), float(p99), float(times.max()))


@dataclass(frozen=True)
class StreamFigures:
    """One stream of an episode.

    rate_hz: nominal (a camera's, by the task), or else that of the median period. missing: samples
    that the gaps between stamps have room for. unstored: what the recorder says it dropped.
    latency: from header stamp to arrival at the recorder. skew: how far the frames lie before the
    grid times, for a camera. frozen: frames with the very pixels of the frame before.
    """

    name: str
    topic: str
    messages: int
    rate_hz: float
    missing: int
    unstored: int
    unheard: int
    gap_ms: float
    latency: Spread | None
    skew: Spread | None
    duplicates: int
    out_of_order: int
    frozen: int
    malformed: int

    @property
    def drops(self) -> float:
        """Share of the samples that are missing, 0..1; 1 where none came."""
        due = self.messages - self.duplicates + self.missing
        return self.missing / due if due else 1.0

    def share(self, count: int) -> float:
        """`count` of the messages as a share, 0..1."""
        return count / self.messages if self.messages else 0.0


@dataclass
class StreamWatch:
    """Told of each message of one stream in the order of arrival; holds 16 bytes of each."""

    stream: PoseStream | JointStream | ImageStream
    source: StreamInput
    stamps_ns: 'array[int]' = field(default_factory=lambda: array('q'))
    latencies_ns: 'array[int]' = field(default_factory=lambda: array('q'))
    frozen: int = 0
    _digest: int | None = None

    def look(self, message: Any, received_ns: int) -> None:
        """A message that came at `received_ns`."""
        stamp_ns = nanoseconds(message.header.stamp)
        again = bool(self.stamps_ns) and self.stamps_ns[-1] == stamp_ns
        self.stamps_ns.append(stamp_ns)
        self.latencies_ns.append(received_ns - stamp_ns)
        if isinstance(self.stream, ImageStream) and not again:
            self._compare(message, self.stream)

    def _compare(self, message: Any, stream: ImageStream) -> None:
        try:
            digest = pictures.digest(message, stream)
        except MessageError:
            return
        self.frozen += digest == self._digest
        self._digest = digest

    def figures(
        self,
        begun_ns: int,
        ended_ns: int,
        skews_ns: ArrayLike,
        lost: tuple[int, int],
        malformed: int,
    ) -> StreamFigures:
        """What it amounts to, in an episode received from `begun_ns` to `ended_ns`.

        lost: messages that the recorder could not write, and that it never received.
        """
        came = np.array(self.stamps_ns, np.int64)
        stamps, first = np.unique(came, return_index=True)
        in_turn = came[np.sort(first)]
        nominal = self.stream.rate_hz if isinstance(self.stream, ImageStream) else None
        period_ns = 1e9 / nominal if nominal else median_period(stamps)
        gaps = np.diff(stamps)
        silences = self._silences(begun_ns, ended_ns)
        absent = sum(int(silence / period_ns) for silence in silences) if period_ns else 0
        return StreamFigures(
            name=self.stream.name,
            topic=self.source.topic,
            messages=len(came),
            rate_hz=1e9 / period_ns if period_ns else 0.0,
            missing=missing(gaps, period_ns) + absent,
            unstored=lost[0],
            unheard=lost[1],
            gap_ms=max([*gaps.tolist(), *silences], default=0) / 1e6,
            latency=Spread.of(self.latencies_ns),
            skew=Spread.of(skews_ns),
            duplicates=len(came) - len(stamps),
            out_of_order=int((np.diff(in_turn) < 0).sum()),
            frozen=self.frozen,
            malformed=malformed,
        )

    def _silences(self, begun_ns: int, ended_ns: int) -> list[int]:
        """Before the first sample and after the last one, where it is longer than is bridged."""
        if not self.stamps_ns:
            return [ended_ns - begun_ns]
        arrived = (
            self.stamps_ns[0] + self.latencies_ns[0],
            self.stamps_ns[-1] + self.latencies_ns[-1],
        )
        both = (arrived[0] - begun_ns, ended_ns - arrived[1])
        return [silence for silence in both if silence > self.source.spec.oldest_ns]


def median_period(stamps: Stamps) -> float:
    """Median step of rising stamps [ns]; 0 where there are not two."""
    return float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0


def missing(gaps: Stamps, period_ns: float) -> int:
    """How many samples `gaps` [ns] between neighbours have room for, at one each `period_ns`.

    A sample that was taken late makes its gap long and the next ones short; it is not missing.
    """
    total = 0
    for index in np.flatnonzero(gaps > 1.5 * period_ns) if period_ns else ():
        length, after = float(gaps[index]), index + 1
        while after < len(gaps) and gaps[after] < 0.75 * period_ns:
            length -= period_ns - float(gaps[after])
            after += 1
        total += max(0, round(length / period_ns) - 1)
    return total
