"""What was seen of a simulated world at grid times, as the windows of a policy."""

from collections.abc import Mapping

from dp_ros.core.stamped import Array, ObservationWindow, frozen_array


class Observed:
    """Keeps what the next windows can hold: of `steps` grid times, `period_ns` apart."""

    def __init__(self, period_ns: int, steps: int) -> None:
        self._period_ns, self._steps = period_ns, steps
        self._seen: dict[int, Mapping[str, Array]] = {}

    def add(self, stamp_ns: int, streams: Mapping[str, Array]) -> None:
        """The value of each stream at a grid time."""
        self._seen[stamp_ns] = streams

    def window(self, anchor_ns: int) -> ObservationWindow:
        """The window that ends at `anchor_ns`; what is older is forgotten."""
        stamps = tuple(anchor_ns - self._period_ns * i for i in reversed(range(self._steps)))
        streams = {
            name: frozen_array([self._seen[stamp][name] for stamp in stamps])
            for name in self._seen[anchor_ns]
        }
        self._seen = {stamp: seen for stamp, seen in self._seen.items() if stamp >= stamps[0]}
        return ObservationWindow(stamps, streams)
