"""A thread that notices when a call into a vendor's library does not come back.

ur_rtde can wait for ever, in a reconnect of its own or for a peer that is gone. The control thread
cannot say so, since it is the one that waits. So another thread looks at it: after the call's
patience it tells, and when the call still stays it ends the process. The arm has stopped by then,
by its controller's watchdog, and whoever supervises the process starts it anew.
"""

import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar('T')

POLL_S = 0.05
# Longest call that is no reason to worry.
PATIENCE_S = 0.3
# How much longer it may stay before the process ends.
GRACE_S = 2.0
# A call that keeps the interpreter's lock stops this thread, too; faulthandler's own acts then.
LOCKED_S = 10.0
EXIT_BROKEN = 70


class DriverWatch:
    """Counts its own looks, not seconds: a machine that stops as a whole blames no driver.

    on_stuck: told what hangs, in the watching thread, while it hangs. on_hopeless: told right
    before `end` is called, which ends the process. guard_lock: have faulthandler end the process
    when nothing runs for LOCKED_S.
    """

    def __init__(
        self,
        on_stuck: Callable[[str], object],
        on_hopeless: Callable[[str], object],
        guard_lock: bool = True,
        end: Callable[[int], None] = os._exit,
        grace_s: float = GRACE_S,
    ) -> None:
        self._on_stuck, self._on_hopeless, self._end = on_stuck, on_hopeless, end
        self._guard_lock, self._grace_s = guard_lock, grace_s
        self._call: tuple[str, float] | None = None
        self._stuck = ''
        self._stop = threading.Event()
        self._guard()
        self._thread = threading.Thread(target=self._run, name='driver watch', daemon=True)
        self._thread.start()

    def call(self, what: str, action: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
        """Do `action` under watch; one call at a time."""
        self._stuck = ''
        self._call = (what, patience_s)
        try:
            return action()
        finally:
            self._call = None

    @property
    def stuck(self) -> str:
        """What was told of the last call; '' if it came back in time."""
        return self._stuck

    def stop(self) -> None:
        """End the watch."""
        self._stop.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        seen: tuple[str, float] | None = None
        looks = 0
        while not self._stop.wait(POLL_S):
            looks += 1
            call = self._call
            if looks % 20 == 0:
                self._guard()
            if call is None or call is not seen:
                seen, since = call, looks
                continue
            what, patience_s = call
            waited_s = (looks - since) * POLL_S
            if waited_s > patience_s and not self._stuck:
                self._stuck = f'{what} hangs in the driver for more than {patience_s:g} s'
                self._on_stuck(self._stuck)
            if waited_s > patience_s + self._grace_s:
                self._give_up(f'{what} hangs in the driver for {waited_s:.1f} s; the process ends')
                return
        if self._guard_lock:
            faulthandler.cancel_dump_traceback_later()

    def _guard(self) -> None:
        if self._guard_lock:
            faulthandler.dump_traceback_later(LOCKED_S, exit=True)

    def _give_up(self, text: str) -> None:
        self._on_hopeless(text)
        if self._guard_lock:
            faulthandler.cancel_dump_traceback_later()
            faulthandler.dump_traceback()
        sys.stderr.flush()
        self._end(EXIT_BROKEN)
