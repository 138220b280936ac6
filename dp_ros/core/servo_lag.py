"""How an arm follows what it is told: how much later it gets there, and how much of the way.

A servo that looks ahead follows its setpoints late, as a filter does. Within a smooth motion that
is a plain delay: the measured positions are the commanded ones of some time ago. The lag is the
delay at which the two agree best.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dp_ros.core import shift

Array = NDArray[np.float64]
Stamps = NDArray[np.int64]

LEAST_S = 2.0
LEAST_STATES = 60


@dataclass(frozen=True)
class ServoLag:
    """How the measured positions relate to the commanded ones.

    lag_s: how much later the arm is where it was told to be; amplitude: the measured motion
    against the commanded one, 1 where it goes all the way; residual: root mean square of what
    differs once the lag is taken out, in the unit of the positions; agreement: correlation, at
    most 1.
    """

    lag_s: float
    amplitude: float
    residual: float
    agreement: float


def measure(
    commands_ns: Stamps,
    commands: Array,
    states_ns: Stamps,
    states: Array,
    span_s: tuple[float, float] = (-0.05, 0.6),
) -> ServoLag:
    """Compare commanded with measured positions.

    commands_ns (n,), states_ns (m,): stamps, rising; commands (n, k), states (m, k): positions in
    any one unit; span_s: the lags to try. Raises ValueError where there is too little to compare,
    or where nothing moved.
    """
    commands_ns, states_ns = np.asarray(commands_ns), np.asarray(states_ns)
    if len(commands_ns) < 2 or len(states_ns) < 2:
        raise ValueError(
            f'{len(commands_ns)} commands and {len(states_ns)} states came; expected a motion of '
            f'at least {LEAST_S:g} s'
        )
    start, (low, high) = commands_ns[0], span_s
    told, known = (commands_ns - start) / 1e9, (states_ns - start) / 1e9
    # States whose command is known at every lag that is tried.
    inside = (known - high >= told[0]) & (known - low <= told[-1])
    times, measured = known[inside], np.asarray(states, dtype=float)[inside]
    if len(times) < LEAST_STATES or np.ptp(times) < LEAST_S:
        raise ValueError(
            f'{len(times)} states lie within the commands; expected at least {LEAST_STATES}, over '
            f'at least {LEAST_S:g} s'
        )

    def commanded(lag: float) -> Array:
        columns = np.asarray(commands, dtype=float).T
        return np.stack([np.interp(times - lag, told, column) for column in columns], axis=-1)

    def agreement(lag: float) -> float:
        return shift.correlation(commanded(lag), measured)

    lag, score = shift.best(agreement, span_s)
    aligned = commanded(lag)
    centred = aligned - aligned.mean(axis=0)
    moved = float(np.sum(centred**2))
    if moved == 0.0 or np.ptp(measured, axis=0).max() == 0.0:
        raise ValueError('nothing moved: there is no lag to measure')
    amplitude = float(np.sum(centred * measured)) / moved
    distances = np.linalg.norm(measured - aligned, axis=-1)
    return ServoLag(lag, amplitude, float(np.sqrt(np.mean(distances**2))), score)
