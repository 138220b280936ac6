"""When to try again what failed: after 1, 2, 4 ... seconds, and not for ever."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """The pause before a new try doubles with each failure; old failures are forgotten.

    first_s, longest_s: of the pauses [s]; most: so many failures within `within_s` are followed by
    another try, one more is not.
    """

    first_s: float = 1.0
    longest_s: float = 30.0
    most: int = 5
    within_s: float = 300.0

    def __post_init__(self) -> None:
        if not (0 < self.first_s <= self.longest_s and self.most >= 1 and self.within_s > 0):
            raise ValueError(
                f'a back-off needs 0 < first_s <= longest_s, most >= 1, within_s > 0; found {self}'
            )

    def recent(self, failures_s: Iterable[float], now_s: float) -> tuple[float, ...]:
        """Those of the failures that count at `now_s`."""
        return tuple(t for t in failures_s if t > now_s - self.within_s)

    def pause_s(self, failures_s: Iterable[float], now_s: float) -> float | None:
        """How long to wait after the last of `failures_s`; None: give up."""
        count = len(self.recent(failures_s, now_s))
        return None if count > self.most else self.pause_after_s(count)

    def pause_after_s(self, count: int) -> float:
        """The pause after so many failures in a row."""
        # More doublings than that overflow nothing, and change nothing.
        return min(self.first_s * 2 ** (min(count, 64) - 1), self.longest_s) if count else 0.0
