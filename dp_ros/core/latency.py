"""How far a camera's stamps lie behind its captures, from the motion that it sees.

Between two frames the picture changes as much as the arm has moved. The latency is the shift in
time at which the two agree best: both signals are compared over the intervals of the frames' own
stamps, and intervals in which frames were lost are left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dp_ros.core import shift

Array = NDArray[np.float64]
Stamps = NDArray[np.int64]

# Successive intervals that are averaged. The arm's motion is far slower; only the jitter of the
# stamps is as fast as a frame, and ripples the agreement with the period of the states.
SMOOTHED = 5
# Signals that agree less than this say nothing, wherever they agree most.
SOME = 0.5


@dataclass(frozen=True)
class Latency:
    """latency_s: stamp minus capture; agreement: correlation of the two signals, at most 1."""

    latency_s: float
    agreement: float


def measure(
    frames_ns: Stamps,
    change: Array,
    states_ns: Stamps,
    positions: Array,
    span_s: tuple[float, float] = (-0.1, 0.5),
    beyond_s: tuple[float, float] = (-0.3, 1.1),
) -> Latency:
    """Compare what a camera saw with how the arm moved.

    frames_ns (n,): stamps of the frames, rising; change (n,): how much each frame differs from the
    one before (the first is ignored); states_ns (m,), positions (m, k): the arm's positions, in
    any unit; span_s: the latencies that are likely; beyond_s: those that are tried, too, for which
    fewer intervals are known: longer than a period of the motion, since a latency outside of it
    looks like one inside. Raises ValueError when there is too little to compare, or the best is
    the first or the last that was tried.
    """
    given = np.asarray(frames_ns), np.asarray(change, float), np.asarray(states_ns), positions
    likely, anywhere = _best(*given, span_s), _best(*given, beyond_s)
    if span_s[0] <= anywhere.latency_s <= span_s[1] or anywhere.agreement <= SOME:
        return likely
    low, high = beyond_s
    if not low + shift.COARSE_S < anywhere.latency_s < high - shift.COARSE_S:
        raise ValueError(
            f'the latency lies outside {low:g} .. {high:g} s: see that the clocks of the cameras '
            f'and of this machine agree'
        )
    return anywhere


def _best(
    frames_ns: Stamps,
    change: Array,
    states_ns: Stamps,
    positions: Array,
    span_s: tuple[float, float],
) -> Latency:
    start = states_ns[0] if len(states_ns) else 0
    ends, known = (frames_ns - start) / 1e9, (states_ns - start) / 1e9
    low, high = span_s
    inside = np.zeros(max(0, len(ends) - 1), dtype=bool)
    if len(known) > 1 and len(ends) > 1:
        # Intervals that the arm's states cover at every shift, and that hold no lost frame.
        whole = np.diff(ends) < 1.5 * np.median(np.diff(ends))
        inside = whole & (ends[:-1] - high >= known[0]) & (ends[1:] - low <= known[-1])
    if inside.sum() < 30:
        raise ValueError(
            f'{len(ends)} frames and {len(known)} states overlap in {inside.sum()} intervals; at '
            f'least 30 are needed'
        )
    before, after = ends[:-1][inside], ends[1:][inside]
    seen = _smooth(change[1:][inside])

    def agreement(late: float) -> float:
        moved = _smooth(_path(known, positions, before - late, after - late))
        return shift.correlation(seen, moved)

    return Latency(*shift.best(agreement, span_s))


def _path(times: Array, positions: Array, before: Array, after: Array) -> Array:
    """Distance between where the arm was at `before` and at `after`."""
    columns = np.asarray(positions, float).T
    moved = [np.interp(after, times, c) - np.interp(before, times, c) for c in columns]
    return np.sqrt(np.sum(np.square(moved), axis=0))


def _smooth(values: Array) -> Array:
    return np.convolve(values, np.full(SMOOTHED, 1 / SMOOTHED), 'valid')
