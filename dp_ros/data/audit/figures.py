"""The figures of one audited episode."""

from dataclasses import dataclass
from pathlib import Path

from dp_ros.data.audit.conduct import (
    COMMANDING,
    HARMLESS,
    Stretch,
    interventions,
    seconds_by_mode,
)
from dp_ros.data.audit.streams import StreamFigures
from dp_ros.data.audit.windows import WindowFigures


@dataclass(frozen=True)
class Audit:
    """Figures of one episode.

    seconds: from the first message to the last. stretches: who commanded, over the whole episode.
    idle_s: commanded, but still, in all; idle_longest_s: the longest such stretch. limited: limit
    -> control ticks in which it changed the command; limited_s: the time at the one touched most.
    chunks: verdict -> how many. fingerprint: equal for two
    recordings of the same samples. complaints: a sentence for each threshold exceeded.
    """

    folder: Path
    task: str
    outcome: str
    seconds: float
    streams: tuple[StreamFigures, ...]
    windows: WindowFigures
    stretches: tuple[Stretch, ...]
    commands: int
    idle_s: float
    idle_longest_s: float
    limited: dict[str, int]
    limited_s: float
    chunks: dict[str, int]
    protective_stops: int
    fingerprint: str
    complaints: tuple[str, ...] = ()

    @property
    def modes(self) -> dict[str, float]:
        """Mode -> seconds."""
        return seconds_by_mode(self.stretches)

    @property
    def commanded_s(self) -> float:
        """How long the policy or a person commanded."""
        return sum(self.modes.get(mode, 0.0) for mode in COMMANDING)

    @property
    def idle_share(self) -> float:
        """`idle_s` of the commanded time, 0..1."""
        return self.idle_s / self.commanded_s if self.commanded_s else 0.0

    @property
    def limited_share(self) -> float:
        """`limited_s` of the commanded time, 0..1."""
        return min(1.0, self.limited_s / self.commanded_s) if self.commanded_s else 0.0

    @property
    def interventions(self) -> int:
        """How often a person took over from the policy."""
        return interventions(self.stretches)

    @property
    def chunks_refused(self) -> int:
        """Chunks that the executor refused, but for those around a start or a stop."""
        return sum(count for verdict, count in self.chunks.items() if verdict not in HARMLESS)
