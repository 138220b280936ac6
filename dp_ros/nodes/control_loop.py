"""A thread that calls a function at a fixed rate on absolute deadlines, and keeps account."""

import threading
import time
from collections.abc import Callable

from dp_ros.core.tick_times import TickTimes


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
        self._times = TickTimes(period_s)
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

    @property
    def thread_id(self) -> int:
        """The system's number of the loop's thread; known once it has started."""
        return self._thread.native_id or 0

    def statistics(self) -> dict[str, float]:
        """What TickTimes says, and the deadlines that were missed by more than a period."""
        return {**self._times.statistics(), 'overruns': self.overruns}

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._on_error(error)

    def _run(self) -> None:
        deadline = due = last = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if now > last:
                self._times.add(now - last, now - due)
            self._tick()
            last = now
            deadline = due = deadline + self.period_s
            behind = time.monotonic() - deadline
            if behind > self.period_s:
                # Missed ticks are not made up for in a burst: the arm would be fed too fast.
                self.overruns += 1
                deadline += self.period_s * int(behind / self.period_s)
            else:
                time.sleep(max(0.0, -behind))
