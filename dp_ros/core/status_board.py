"""What the nodes of a graph said last of themselves, and how old it is."""

import enum
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# Every node speaks twice a second, the recorder once.
STALE_S = 3.0
CHUNKS = 300


class Level(enum.IntEnum):
    """Levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Status:
    """One status, and when it came [s]."""

    level: Level
    text: str
    values: Mapping[str, str]
    heard_s: float

    def age_s(self, now_s: float) -> float:
        """How long ago it came [s]."""
        return max(0.0, now_s - self.heard_s)

    def is_stale(self, now_s: float) -> bool:
        """Whether its node should have spoken again since."""
        return self.age_s(now_s) > STALE_S


@dataclass(frozen=True)
class Spread:
    """Percentiles of some durations [ms]."""

    p50_ms: float
    p99_ms: float
    count: int


class StatusBoard:
    """The newest status by name, and the latencies of the newest chunks.

    statuses: without those that tell of one chunk or window.
    """

    def __init__(self) -> None:
        self.statuses: dict[str, Status] = {}
        self.mode_since_s: float | None = None
        self._chunks: OrderedDict[str, dict[str, float]] = OrderedDict()

    def hear(
        self, name: str, level: Level, text: str, values: Mapping[str, str], now_s: float
    ) -> None:
        """A status came."""
        if name in ('inference/chunk', 'executor/chunk'):
            self._note_chunk(values)
            return
        if name == 'executor':
            known = self.statuses.get(name)
            if known is None or known.values.get('mode') != values.get('mode'):
                # Of the first mode that is heard nobody knows when it began.
                self.mode_since_s = None if known is None else now_s
        self.statuses[name] = Status(level, text, dict(values), now_s)

    def latency(self, *stages: str) -> Spread | None:
        """Of `stages` (window, inference, transport) together; None where no chunk is whole."""
        keys = [f'{stage}_ms' for stage in stages]
        whole = [
            sum(chunk[key] for key in keys)
            for chunk in list(self._chunks.values())
            if all(key in chunk for key in keys)
        ]
        if not whole:
            return None
        p50, p99 = np.percentile(whole, [50, 99])
        return Spread(float(p50), float(p99), len(whole))

    def _note_chunk(self, values: Mapping[str, str]) -> None:
        """Both ends tell of a chunk; its splice time tells which."""
        splice = values.get('splice_ns', '0')
        if splice == '0':
            return
        durations = {key: float(value) for key, value in values.items() if key.endswith('_ms')}
        self._chunks.setdefault(splice, {}).update(durations)
        while len(self._chunks) > CHUNKS:
            self._chunks.popitem(last=False)
