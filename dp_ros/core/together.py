"""Arms that go on together or not at all, as the process that plans for them hears of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dp_ros.core.arms import Part, Share, joined, split
from dp_ros.core.stamped import ActionChunk


@dataclass
class _Flight:
    """A chunk that was sent to all arms, and the arms that have told of it since."""

    splice_ns: int
    end_ns: int
    told: dict[str, Share] = field(default_factory=dict)


class Together:
    """Keeps the executors of `parts` on one plan.

    Each of them accepts or refuses its share by itself, and may stop at any time. A chunk that at
    its splice has been accepted by some of them and not by all, or an arm that stops, ends what
    they do together: the plan of the others is withdrawn, so that they brake as well. All of them
    are to be armed anew then.
    """

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self.parts = parts
        self._commanded = dict.fromkeys(parts, False)
        self._flight: _Flight | None = None
        self._begun = False

    @property
    def begun(self) -> bool:
        """Whether the policy commands all arms."""
        return self._begun

    def commanded(self, arm: str, by_policy: bool) -> bool:
        """The executor of `arm` says who commands it; returns whether all begin with this."""
        self._commanded[arm] = by_policy
        begins = not self._begun and all(self._commanded.values())
        if begins:
            self._begun, self._flight = True, None
        return begins

    def sent(self, chunk: ActionChunk) -> dict[str, Share]:
        """The share of each arm in a chunk that is sent now."""
        self._flight = _Flight(chunk.splice_ns, chunk.end_ns)
        return split(chunk, self.parts)

    def accepted(self, arm: str, ahead: Share) -> ActionChunk | None:
        """The executor of `arm` tells what it will play; returns the plan once all are on it."""
        flight = self._flight
        if flight is None or ahead.joints.end_ns != flight.end_ns:
            return None
        flight.told[arm] = ahead
        plan = joined(flight.told, self.parts)
        if plan is not None:
            self._flight = None
        return plan

    def withdrawn(self, now_ns: int) -> tuple[str, ...]:
        """The arms whose plan is to be withdrawn now, since another one is not on it."""
        flight = self._flight
        torn = flight is not None and flight.told and now_ns >= flight.splice_ns
        if not self._begun or (all(self._commanded.values()) and not torn):
            return ()
        others = tuple(arm for arm, commanded in self._commanded.items() if commanded)
        # What they said before they heard of it does not count any more.
        self._commanded = dict.fromkeys(self.parts, False)
        self._begun, self._flight = False, None
        return others
