"""Python's garbage collector in a process that feeds an arm: never by itself, never over it all.

A full collection walks every object of the process: with the message types and libraries loaded
that is tens of milliseconds in which no other thread runs. So what lives at activation is set
aside for good, and what comes later is collected by a call, when it suits: that is short.
"""

import gc
import time


class FrozenGarbage:
    """Automatic collection is off between `freeze` and `thaw`; `collect` takes its place."""

    def __init__(self) -> None:
        self.frozen = False
        self.collected = 0
        self.worst_s = 0.0

    def freeze(self) -> None:
        """Collect once, and set aside all that lives now."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self.frozen = True

    def collect(self) -> None:
        """Collect what came since `freeze`; nothing where that was not called."""
        if not self.frozen:
            return
        begun = time.monotonic()
        self.collected += gc.collect()
        self.worst_s = max(self.worst_s, time.monotonic() - begun)

    def thaw(self) -> None:
        """As Python has it by itself."""
        if self.frozen:
            gc.unfreeze()
            gc.enable()
        self.frozen = False
