"""How well chunks are joined, told from what was commanded.

Interpolation between waypoints changes its velocity at every waypoint, and a seam lies on one. So
the acceleration around seams is held against that around the other waypoints: a plan that goes on
as it was has the ratio 1. The raw ratio holds it against everything else, as is usual.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dp_ros.core.stamped import Array

Times = NDArray[np.int64]

REACH_PERIODS = 2
"""How far around an instant its acceleration is looked at."""


@dataclass(frozen=True)
class Squares:
    """A sum of squares and of how many; sums of several episodes add up."""

    total: float = 0.0
    count: int = 0

    def __add__(self, other: 'Squares') -> 'Squares':
        return Squares(self.total + other.total, self.count + other.count)

    @property
    def root_mean(self) -> float:
        """The root of the mean square; NaN of nothing."""
        return float(np.sqrt(self.total / self.count)) if self.count else float('nan')


@dataclass(frozen=True)
class Roughness:
    """Accelerations: around seams, around the other waypoints; in reach of a seam, elsewhere."""

    seams: Squares = Squares()
    waypoints: Squares = Squares()
    near: Squares = Squares()
    elsewhere: Squares = Squares()

    def __add__(self, other: 'Roughness') -> 'Roughness':
        return Roughness(
            self.seams + other.seams,
            self.waypoints + other.waypoints,
            self.near + other.near,
            self.elsewhere + other.elsewhere,
        )

    @property
    def ratio(self) -> float:
        """Acceleration around seams over that around other waypoints."""
        return _ratio(self.seams.root_mean, self.waypoints.root_mean)

    @property
    def raw_ratio(self) -> float:
        """Acceleration in reach of a seam over that everywhere else."""
        return _ratio(self.near.root_mean, self.elsewhere.root_mean)

    @property
    def interior(self) -> float:
        """Acceleration out of reach of any seam."""
        return self.elsewhere.root_mean


def roughness(
    times_ns: Times,
    commands: Array,
    seams_ns: Sequence[tuple[int, ...]],
    waypoints_ns: Sequence[int],
    reach_periods: float = REACH_PERIODS,
) -> Roughness:
    """Accelerations of evenly spaced `commands` (N, k) at `times_ns` (N,).

    seams_ns: for each seam the instants at which it may be felt: when the new chunk took over, and
    its first waypoint; the harsher one counts. waypoints_ns: all waypoints that were passed.
    """
    if len(commands) < 3:
        return Roughness()
    period_ns = int(times_ns[1] - times_ns[0])
    reach = round(reach_periods * period_ns)
    curve = np.diff(commands, 2, axis=0) / (period_ns * 1e-9) ** 2
    squares, times = (curve**2).sum(axis=1), times_ns[1:-1]

    def around(instant: int) -> slice:
        first = int(np.searchsorted(times, instant - reach, side='left'))
        return slice(first, int(np.searchsorted(times, instant + reach, side='right')))

    near = np.zeros(len(times), dtype=bool)
    felt = Squares()
    for instants in seams_ns:
        windows = [around(instant) for instant in instants]
        for window in windows:
            near[window] = True
        felt += max((_squares(squares[w]) for w in windows), key=lambda s: s.root_mean)
    # A corner on a tick looks sharper than one between two: compare those that lie alike.
    phases = {instants[-1] % period_ns for instants in seams_ns}
    plain = Squares()
    for waypoint in waypoints_ns:
        window = around(waypoint)
        if waypoint % period_ns in phases and not near[window].any():
            plain += _squares(squares[window])
    return Roughness(felt, plain, _squares(squares[near]), _squares(squares[~near]))


def _squares(values: Array) -> Squares:
    return Squares(float(values.sum()), len(values))


def _ratio(one: float, other: float) -> float:
    return one / other if other > 0 else float('nan')
