"""What one row of the fault matrix says: what is done to the graph, and what shall follow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.bench import Bench

HOLD, RIDE = 'hold', 'ride through'

Deed = Callable[['Bench'], None]


@dataclass(frozen=True)
class Row:
    """One fault.

    name, group: as in the table; bench: which graph of BENCHES it needs; inject: the fault, at a
    moment when the arm moves; expects: HOLD or RIDE, and `because` says why that is right.
    reason: pattern of what /diagnostics says (name: text), '' where nothing need be said.
    prepare: what must be so before it. heal: ends the fault, before anything is armed again.
    first: what must be done before the arm is armed again (see Bench.recover). watch_s: how long
    a RIDE is watched, and how long a HOLD may take before it counts as none. goal_s: largest time
    to hold of the design; bound_s: the one that the test insists on, on two noisy cores.
    short: also part of `make test`.
    by_arm: the time to hold is that of the arm, which somebody else stops (the controller), not
    that of the last command. blind: the arm cannot be seen (its world is gone). back_s: time
    within which the arm must move again.
    """

    name: str
    group: str
    bench: str
    inject: Deed
    because: str
    expects: str = HOLD
    reason: str = ''
    prepare: Deed | None = None
    heal: Deed | None = None
    first: tuple[str, ...] = ()
    watch_s: float = 2.5
    goal_s: float = 0.3
    bound_s: float = 0.8
    short: bool = False
    by_arm: bool = False
    blind: bool = False
    back_s: float = 15.0
