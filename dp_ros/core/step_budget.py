"""Anytime denoising: how many denoising steps fit before a deadline."""

from collections import deque

import numpy as np

# Recent chunks that count, and the share of them that would have kept the deadline.
KEPT = 20
CONFIDENCE = 0.9


class StepBudget:
    """Chosen before a chunk, from what the last ones took; `most` as long as nothing is known.

    A chunk takes as long as what is done once, and each of its steps.
    """

    def __init__(self, most: int, deadline_s: float) -> None:
        self._most, self._deadline_s = most, deadline_s
        self._once: deque[float] = deque(maxlen=KEPT)
        self._each: deque[float] = deque(maxlen=KEPT)

    def steps(self) -> int:
        """At least one, and at most `most`."""
        if not self._each:
            return self._most
        once, each = (float(np.quantile(s, CONFIDENCE)) for s in (self._once, self._each))
        fitting = (self._deadline_s - once) / max(each, 1e-9)
        return int(np.clip(fitting, 1, self._most))

    def took(self, once_s: float, loop_s: float, steps: int) -> None:
        """Tell of a chunk: `loop_s` for all its steps, `once_s` for everything else."""
        self._once.append(once_s)
        self._each.append(loop_s / steps)

    def forget(self) -> None:
        """Begin anew, as after warming up."""
        self._once.clear()
        self._each.clear()
