"""When the ticks of a control loop came: periods, jitter and lateness over the last minutes."""

import numpy as np
from numpy.typing import NDArray

# Ten minutes at 125 Hz; older ticks are forgotten so that memory stays constant.
KEPT = 75_000
# A tick that begins this share of a period after its deadline is late.
LATE = 0.5


class TickTimes:
    """Keeps account of ticks; numbers go into an array made once, so that nothing is allocated.

    late: ticks that began more than half a period after their deadline; worst_late_s: the longest
    wait of all, also of those forgotten.
    """

    def __init__(self, period_s: float, kept: int = KEPT) -> None:
        self.period_s = period_s
        self.late = 0
        self.worst_late_s = 0.0
        self._periods: NDArray[np.float64] = np.zeros(kept)
        self._count = 0

    def add(self, period_s: float, late_s: float) -> None:
        """A tick that began `period_s` after the one before and `late_s` after its deadline."""
        self._periods[self._count % len(self._periods)] = period_s
        self._count += 1
        self.late += late_s > LATE * self.period_s
        self.worst_late_s = max(self.worst_late_s, late_s)

    def statistics(self) -> dict[str, float]:
        """rate_hz; p50, p99 and max of the period, p50 and p99 of the jitter [ms]; lateness.

        Jitter is how much a period differs from the nominal one. Empty before the second tick.
        """
        periods = self._periods[: self._count] * 1e3
        if not len(periods):
            return {}
        p50, p99 = np.percentile(periods, [50, 99])
        jitter = np.abs(periods - self.period_s * 1e3)
        jitter_p50, jitter_p99 = np.percentile(jitter, [50, 99])
        return {
            'rate_hz': 1e3 / float(periods.mean()),
            'period_ms_p50': float(p50),
            'period_ms_p99': float(p99),
            'period_ms_max': float(periods.max()),
            'jitter_ms_p50': float(jitter_p50),
            'jitter_ms_p99': float(jitter_p99),
            'late_ticks': self.late,
            'late_ms_max': self.worst_late_s * 1e3,
        }
