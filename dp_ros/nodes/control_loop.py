"""A thread that calls a function at a fixed rate on absolute deadlines, and keeps account."""

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

# Ten minutes at 125 Hz; older periods are forgotten so that memory stays constant.
PERIODS_KEPT = 75_000


class ControlLoop:
    """Calls `tick()` every `period_s` seconds.

    A tick that raises ends the loop: `on_error` is told, in the loop's own thread.
    """

    def __init__(
        self,
        period_s: float,
        tick: Callable[[], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self.period_s = period_s
        self.overruns = 0
        self._tick, self._on_error = tick, on_error
        self._periods: deque[float] = deque(maxlen=PERIODS_KEPT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name='control', daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End after the present tick; False if it is stuck there for more than `timeout_s`."""
        self._stop.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def statistics(self) -> dict[str, float]:
        """rate_hz and the period's p50, p99 and max in ms; empty before the second tick."""
        periods = np.array(self._periods) * 1e3
        if not len(periods):
            return {}
        p50, p99 = np.percentile(periods, [50, 99])
        return {
            'rate_hz': 1e3 / float(periods.mean()),
            'period_ms_p50': float(p50),
            'period_ms_p99': float(p99),
            'period_ms_max': float(periods.max()),
            'overruns': self.overruns,
        }

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._on_error(error)

    def _run(self) -> None:
        deadline = last = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if now > last:
                self._periods.append(now - last)
            self._tick()
            last = now
            deadline += self.period_s
            behind = time.monotonic() - deadline
            if behind > self.period_s:
                # Missed ticks are not made up for in a burst: the arm would be fed too fast.
                self.overruns += 1
                deadline += self.period_s * int(behind / self.period_s)
            else:
                time.sleep(max(0.0, -behind))
