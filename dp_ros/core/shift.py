"""The shift in time at which two signals agree best, finer than the steps it is searched in."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COARSE_S, FINE_S = 0.01, 0.001


def best(agreement: Callable[[float], float], span_s: tuple[float, float]) -> tuple[float, float]:
    """The shift [s] within `span_s` at which `agreement` is largest, and how large it is there.

    Coarsely first, then in steps of a millisecond, then the vertex of the parabola through the
    best of them and its neighbours. agreement: of two signals, one of them shifted; its top must
    be wider than the coarse step.
    """
    low, high = span_s
    coarse = np.arange(low, high + COARSE_S / 2, COARSE_S)
    centre = coarse[int(np.argmax([agreement(s) for s in coarse]))]
    fine = np.arange(centre - COARSE_S, centre + COARSE_S + FINE_S / 2, FINE_S)
    scores = np.array([agreement(s) for s in fine])
    top = int(scores.argmax())
    return float(fine[top] + FINE_S * _vertex(scores, top)), float(scores[top])


def correlation(a: Array, b: Array) -> float:
    """Of two signals (n,) or (n, k), without their means; at most 1, and 0 where one is constant.

    Columns count by how much they vary: it is one number over all of them.
    """
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    size = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b)) / size if size > 0 else 0.0


def _vertex(scores: Array, top: int) -> float:
    """Offset, in steps, of the top of the parabola through the best score and its neighbours."""
    if not 0 < top < len(scores) - 1:
        return 0.0
    left, middle, right = scores[top - 1 : top + 2]
    bend = left - 2 * middle + right
    return 0.0 if bend == 0 else float(0.5 * (left - right) / bend)
