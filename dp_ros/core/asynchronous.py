"""Planning while the arm plays: when the next plan is due, what it knows, what of it is of use.

The policy process keeps one of these, live and in replay. It reads no clock.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from dp_ros.core.commitment import Commitment
from dp_ros.core.delay import DelayHistory
from dp_ros.core.receding import Horizon, StopAndWait
from dp_ros.core.stamped import ActionChunk, Array


@dataclass(frozen=True)
class Ask:
    """What is to be planned from the window that ends at `anchor_ns`; it was had at `asked_ns`.

    before: what is committed at the times of the prediction (T_p, n), rows of NaN where nothing
    is; None: the plan is free. delay_steps: how many waypoints from now on will be played until
    the plan is there. knew: how many of them it goes on from; None: it may come when it will.
    """

    anchor_ns: int
    asked_ns: int
    epoch: int
    before: Array | None
    delay_steps: int
    knew: int | None


@dataclass(frozen=True)
class _Flight:
    """A chunk that was sent, and has not been seen in the executor's schedule yet."""

    ask: Ask
    splice_ns: int


class AsynchronousPlanning:
    """Anchors, delays and commitments of one policy.

    A delay is that from the anchor of a window to the moment at which the executor tells of the
    accepted chunk: capture, window, inference and transport. It is measured; of a chunk that came
    too late it is known that it took longer than it might. When a plan is asked for, the age of
    its window is known: what is foreseen then is the rest.
    pins: whether a plan is void if what was committed is not what was played, unless the arm would
    stop before there is another; lead_ns: how much sooner than due an action is sent; counts:
    chunks `planned`, `accepted`; `discarded` ones: they outran what they knew, or are wholly past;
    `free` ones, sent although they outran it; `late` ones, which the executor did not take.
    """

    def __init__(
        self, horizon: Horizon, pins: bool = False, confidence: float = 0.99, lead_ns: int = 0
    ) -> None:
        self.horizon, self._pins, self._lead_ns = horizon, pins, lead_ns
        self.history = self._rest = DelayHistory(confidence)
        self.counts = Counter(planned=0, accepted=0, discarded=0, free=0, late=0)
        self._commitment = Commitment()
        self._flights: dict[int, _Flight] = {}
        self._epoch = 0

    def begin(self, now_ns: int) -> None:
        """A new epoch: the first window lies wholly after now; nothing is committed yet."""
        self.horizon = self.horizon.started(now_ns)
        self._commitment = Commitment()
        self._flights.clear()
        self._epoch += 1

    def anchor(self, newest_ns: int | None, now_ns: int) -> int | None:
        """The anchor to plan from, given the newest grid time that all streams cover.

        None while none is due, and until the executor has told of the last chunk: before that it
        is not known what is committed.
        """
        self._count_late(now_ns)
        return None if self._flights else self.horizon.anchor(newest_ns)

    def refused(self, anchor_ns: int) -> None:
        """There is no window that ends at `anchor_ns`."""
        if anchor_ns >= self.horizon.next_anchor_ns:
            self.horizon = self.horizon.refused(anchor_ns)

    def ask(self, anchor_ns: int, now_ns: int) -> Ask:
        """What to plan from a window that has just been had."""
        ends_ns = now_ns + self._rest.expected_ns + self._lead_ns
        steps = self.horizon.delay_steps(ends_ns - anchor_ns)
        before = self._before(anchor_ns, steps)
        knew = steps if self._pins and before is not None else None
        return Ask(anchor_ns, now_ns, self._epoch, before, steps, knew)

    def answer(self, ask: Ask, waypoints: Array, now_ns: int) -> ActionChunk | None:
        """What of the prediction (T_p, n) is to be sent; None where it is of no use any more."""
        if ask.epoch != self._epoch:
            return None
        anchor, leaves_ns = ask.anchor_ns, now_ns
        if ask.knew is not None:
            # What a chunk needs on its way is part of the delay that was foreseen.
            leaves_ns += self._lead_ns - self.horizon.margin_ns
        chunk = self.horizon.chunk(waypoints, anchor, leaves_ns, ask.knew)
        if chunk is None and ask.knew is not None and self._runs_out(now_ns):
            # A seam is better than an arm that stops.
            chunk = self.horizon.chunk(waypoints, anchor, now_ns)
            self.counts['free'] += chunk is not None
        if chunk is None:
            self.counts['discarded'] += 1
            self._note(ask, now_ns)
            # At once: the plan that is being played runs out.
            self.horizon = self.horizon.refused(anchor)
            return None
        self.counts['planned'] += 1
        # A later plan ends later: by its end it is known again.
        self._flights[chunk.end_ns] = _Flight(ask, chunk.splice_ns)
        self.horizon = self.horizon.planned(anchor, self._foreseen_ns, chunk)
        return chunk

    def accepted(self, ahead: ActionChunk, now_ns: int) -> None:
        """The executor has told what it will play from now on."""
        self._commitment = self._commitment.updated(ahead)
        flight = self._flights.pop(ahead.end_ns, None)
        if flight is not None:
            self.counts['accepted'] += 1
            self._note(flight.ask, now_ns)

    def statistics(self, now_ns: int) -> dict[str, Any]:
        """Delays [ms] and counts, for a report."""
        history = self.history
        spans = {'p50': history.quantile_ns(0.5), 'p99': history.quantile_ns(0.99)}
        spans |= {'expected': history.expected_ns}
        return {
            'confidence': history.confidence,
            **{f'delay_{name}_ms': round(span / 1e6, 1) for name, span in spans.items()},
            'delay_steps': self.horizon.delay_steps(self._foreseen_ns),
            **{f'chunks_{name}': count for name, count in self.counts.items()},
            'next_start_ms': round((self.horizon.next_anchor_ns - now_ns) / 1e6, 1),
        }

    def _runs_out(self, now_ns: int) -> bool:
        """Whether what is committed ends before a plan from the next window could be there."""
        end_ns = self._commitment.end_ns
        return end_ns is not None and end_ns < now_ns + self.horizon.period_ns + self._foreseen_ns

    def _note(self, ask: Ask, until_ns: int) -> None:
        self.history = self.history.added(until_ns - ask.anchor_ns)
        self._rest = self._rest.added(until_ns - ask.asked_ns)

    @property
    def _foreseen_ns(self) -> int:
        """Time from an anchor until actions can be sent that begin with the next plan."""
        return self.history.expected_ns + self._lead_ns

    def _before(self, anchor_ns: int, steps: int) -> Array | None:
        if isinstance(self.horizon, StopAndWait):
            return None
        before = self._commitment.at(self.horizon.due(anchor_ns))
        certain = self.horizon.now_index + steps if steps else 0
        if before is None or not np.isfinite(before[:certain]).all():
            return None
        return before

    def _count_late(self, now_ns: int) -> None:
        """Chunks that the executor would have told of by now."""
        for end, flight in list(self._flights.items()):
            if now_ns > flight.splice_ns + self.horizon.period_ns:
                del self._flights[end]
                self.counts['late'] += 1
                self._note(flight.ask, flight.splice_ns - self._lead_ns + 1)
