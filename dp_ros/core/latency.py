"""How far a camera's stamps lie behind its captures, from the motion that it sees.

Between two frames the picture changes as much as the arm has moved. The latency is the shift in
time at which the two agree best: both signals are compared over the intervals of the frames' own
stamps, and intervals in which frames were lost are left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Stamps = NDArray[np.int64]

COARSE_S, FINE_S = 0.01, 0.001
# Successive intervals that are averaged. The arm's motion is far slower; only the jitter of the
# stamps is as fast as a frame, and ripples the agreement with the period of the states.
SMOOTHED = 5


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
) -> Latency:
    """Compare what a camera saw with how the arm moved.

    frames_ns (n,): stamps of the frames, rising; change (n,): how much each frame differs from the
    one before (the first is ignored); states_ns (m,), positions (m, k): the arm's positions, in
    any unit; span_s: the latencies to try. Raises ValueError when there is too little to compare.
    """
    frames_ns, states_ns = np.asarray(frames_ns), np.asarray(states_ns)
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
    seen = _smooth(np.asarray(change, float)[1:][inside])

    def agreement(shift: float) -> float:
        moved = _smooth(_path(known, positions, before - shift, after - shift))
        return _agreement(seen, moved)

    coarse = np.arange(low, high + COARSE_S / 2, COARSE_S)
    centre = coarse[int(np.argmax([agreement(s) for s in coarse]))]
    fine = np.arange(centre - COARSE_S, centre + COARSE_S + FINE_S / 2, FINE_S)
    scores = np.array([agreement(s) for s in fine])
    best = int(scores.argmax())
    return Latency(float(fine[best] + FINE_S * _vertex(scores, best)), float(scores[best]))


def _path(times: Array, positions: Array, before: Array, after: Array) -> Array:
    """Distance between where the arm was at `before` and at `after`."""
    columns = np.asarray(positions, float).T
    moved = [np.interp(after, times, c) - np.interp(before, times, c) for c in columns]
    return np.sqrt(np.sum(np.square(moved), axis=0))


def _smooth(values: Array) -> Array:
    return np.convolve(values, np.full(SMOOTHED, 1 / SMOOTHED), 'valid')


def _agreement(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0


def _vertex(scores: Array, best: int) -> float:
    """Offset, in steps, of the top of the parabola through the best score and its neighbours."""
    if not 0 < best < len(scores) - 1:
        return 0.0
    left, top, right = scores[best - 1 : best + 2]
    bend = left - 2 * top + right
    return 0.0 if bend == 0 else float(0.5 * (left - right) / bend)
