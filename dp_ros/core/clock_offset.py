"""How far the policy's clock is ahead of the executor's, from the stamps of what they send.

A message is stamped by its sender's clock and arrives by its receiver's, so the age that the
receiver finds is the latency plus the offset of the two clocks. No latency is negative. The least
age one way therefore bounds the offset from one side, the least age the other way from the other,
as in NTP (Mills 1991, "Internet time synchronization", section IV). What a latency may explain is
never taken for an offset, however slow the network.
"""

from collections import deque
from dataclasses import dataclass

# A busy machine may delay some messages, hardly all of so long. A clock that was set right is
# believed after the same time.
WINDOW_NS = 5_000_000_000


class LeastAge:
    """The least age among the messages of the last WINDOW_NS, by the receiver's clock."""

    def __init__(self) -> None:
        # (arrival, age): ages rise, since an older message with a greater age never counts again.
        self._held: deque[tuple[int, int]] = deque()

    def add(self, stamp_ns: int, arrival_ns: int) -> None:
        """A message came; where the receiver's own clock was set back, the older ones are void."""
        if self._held and arrival_ns < self._held[-1][0]:
            self._held.clear()
        age_ns = arrival_ns - stamp_ns
        while self._held and self._held[-1][1] >= age_ns:
            self._held.pop()
        self._held.append((arrival_ns, age_ns))

    def value_ns(self, now_ns: int) -> int | None:
        """The least age; None where no message has come."""
        while self._held and self._held[0][0] < now_ns - WINDOW_NS:
            self._held.popleft()
        return self._held[0][1] if self._held else None


@dataclass(frozen=True)
class ClockOffset:
    """How far the policy's clock is ahead of the executor's: at least and at most so much [ns].

    None: nothing that was heard bounds it on that side.
    """

    least_ns: int | None = None
    most_ns: int | None = None

    @property
    def proved_ns(self) -> int:
        """The smallest offset that explains the stamps; below 0 where the policy's is behind."""
        if self.least_ns is not None and self.least_ns > 0:
            return self.least_ns
        return min(0, 0 if self.most_ns is None else self.most_ns)

    def fault(self, tolerance_ns: int) -> str:
        """How far they differ for certain, where that is too far, and what to do; '' if not."""
        proved_s, allowed_s = self.proved_ns / 1e9, tolerance_ns / 1e9
        if abs(self.proved_ns) <= tolerance_ns:
            return ''
        where = 'ahead' if proved_s > 0 else 'behind'
        return (
            f"the policy's is {abs(proved_s):.2f} s {where}, {allowed_s:g} s allowed; synchronise "
            f'them (chrony, PTP)'
        )


class PolicyClock:
    """What the executor knows of the policy's clock; the policy reports now and then."""

    def __init__(self) -> None:
        self._reports = LeastAge()
        self._echo: tuple[int, int] | None = None

    def heard(self, stamp_ns: int, echo_ns: int | None, now_ns: int) -> None:
        """A report of the policy came.

        stamp_ns: when it was sent, by the policy's clock; echo_ns: the least age that messages of
        the executor had there by then; None: it has had none.
        """
        self._reports.add(stamp_ns, now_ns)
        self._echo = None if echo_ns is None else (now_ns, echo_ns)

    def offset(self, now_ns: int) -> ClockOffset:
        """What the reports of the last WINDOW_NS tell."""
        age_ns = self._reports.value_ns(now_ns)
        fresh = self._echo is not None and self._echo[0] >= now_ns - WINDOW_NS
        return ClockOffset(
            None if age_ns is None else -age_ns,
            self._echo[1] if self._echo is not None and fresh else None,
        )
