"""How long chunks take from the anchor of their window to the executor, as a distribution."""

import math
from dataclasses import dataclass, replace

KEPT = 200


@dataclass(frozen=True)
class DelayHistory:
    """The latest delays [ns], measured; every update returns a new history.

    confidence: the probability with which the next chunk shall be there in time.
    """

    confidence: float = 0.99
    delays_ns: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f'confidence is {self.confidence}; expected a number between 0 and 1')

    def added(self, delay_ns: int) -> 'DelayHistory':
        """With one more chunk; those longest ago are forgotten."""
        return replace(self, delays_ns=(*self.delays_ns, delay_ns)[-KEPT:])

    @property
    def expected_ns(self) -> int:
        """A delay that the next chunk exceeds with a probability of at most 1 - confidence."""
        return self.quantile_ns(self.confidence)

    def quantile_ns(self, probability: float) -> int:
        """A delay that the next chunk does not exceed with this `probability`.

        The order statistic of rank ceil(p (n + 1)): without assumptions on the distribution, if
        delays are exchangeable. As long as they are too few for that, the longest; 0 without any.
        """
        if not self.delays_ns:
            return 0
        count = len(self.delays_ns)
        rank = min(count, math.ceil(probability * (count + 1)))
        return sorted(self.delays_ns)[rank - 1]
