"""Names of strategies and latencies on the command line, and what they stand for."""

from dataclasses import dataclass, fields, replace
from typing import Any

from dp_ros.learning.transition import TRANSITIONS, Transition

WAIT = 'stop_and_wait'
PREFIX = 'prefix'


@dataclass(frozen=True)
class Strategy:
    """A transition with its settings, or stop-and-wait. name: as it is written."""

    name: str

    @property
    def kind(self) -> str:
        """The name without the settings."""
        return self.name.partition(':')[0]

    @property
    def waits(self) -> bool:
        """Whether the arm stands while the policy thinks."""
        return self.kind == WAIT

    def transition(self) -> Transition:
        """How chunks come to be; ValueError for an unknown name or setting."""
        transition: Any = TRANSITIONS['switch' if self.waits else self.kind]()
        known = {field.name: getattr(transition, field.name) for field in fields(transition)}
        given: dict[str, Any] = {}
        for setting in self.name.split(':')[1:]:
            key, _, value = setting.partition('=')
            if key not in known:
                raise ValueError(
                    f'strategy {self.name!r}: {key!r} is none of its settings: {", ".join(known)}'
                )
            given[key] = _number(self.name, value, type(known[key]))
        changed: Transition = replace(transition, **given)
        return changed


def _number(name: str, text: str, kind: type) -> Any:
    try:
        return kind(int(text)) if kind in (int, bool) else float(text)
    except ValueError:
        raise ValueError(f'strategy {name!r}: {text!r} is no number') from None


def strategies(text: str) -> list[Strategy]:
    """`switch,guided:beta=5:sd=1` -> strategies; raises ValueError."""
    known = (WAIT, *TRANSITIONS)
    found = [Strategy(name.strip()) for name in text.split(',') if name.strip()]
    for strategy in found:
        if strategy.kind not in known:
            raise ValueError(f'{strategy.name!r} is no strategy; there are: {", ".join(known)}')
        strategy.transition()
    return found


@dataclass(frozen=True)
class Added:
    """A latency [ms] that is added: at least `least_ms`, and up to `jitter_ms` more at random."""

    least_ms: float
    jitter_ms: float = 0.0

    def __str__(self) -> str:
        return f'{self.least_ms:g}' + (f'+{self.jitter_ms:g}' if self.jitter_ms else '')


def latencies(text: str) -> list[Added]:
    """`0,200,100+200` -> latencies; the last: 100 ms and up to 200 ms more. Raises ValueError."""
    return [_latency(part.strip()) for part in text.split(',') if part.strip()]


def _latency(text: str) -> Added:
    least, _, jitter = text.partition('+')
    try:
        added = Added(float(least), float(jitter or 0))
    except ValueError:
        added = Added(-1)
    if not (0 <= added.least_ms <= 10_000 and 0 <= added.jitter_ms <= 10_000):
        raise ValueError(
            f'latency {text!r}: expected milliseconds as in 200, or 100+200 for 100 ms and up to '
            f'200 ms more at random'
        )
    return added
