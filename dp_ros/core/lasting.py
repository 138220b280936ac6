"""The values that a process tells of itself, over its restarts."""

from collections import Counter
from collections.abc import Mapping


class LastingValues:
    """The last ones, where those that count go on from what the process before had counted.

    counters: their names, or with an underscore at the end how they begin.
    """

    def __init__(self, counters: tuple[str, ...]) -> None:
        self._counters = counters
        self._last: dict[str, str] = {}
        self._before: Counter[str] = Counter()

    def hear(self, values: Mapping[str, str]) -> None:
        """What it says now; nothing, while it is not active."""
        if not values:
            return
        said, known = self._counts(values), self._counts(self._last)
        if any(said.get(name, 0) < count for name, count in known.items()):
            self._before.update(known)
        self._last = dict(values)

    @property
    def values(self) -> dict[str, str]:
        """All of them, as text."""
        whole = self._before + Counter(self._counts(self._last))
        return self._last | {name: str(count) for name, count in whole.items()}

    def _counts(self, values: Mapping[str, str]) -> dict[str, int]:
        return {
            name: int(value)
            for name, value in values.items()
            if name in self._counters or name.startswith(self._families)
        }

    @property
    def _families(self) -> tuple[str, ...]:
        return tuple(name for name in self._counters if name.endswith('_'))
