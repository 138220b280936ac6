"""Means with standard errors, and rates with Wilson's intervals."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

SUCCESS_COVERAGE = 0.95


def rate(successes: int, count: int) -> dict[str, Any]:
    """`successes` of `count` as a share, with Wilson's interval at 95 %."""
    low, high = binomtest(successes, count).proportion_ci(method='wilson')
    return {
        'successes': successes,
        'count': count,
        'share': successes / count,
        'low': float(low),
        'high': float(high),
    }


def scores(coverage_max: ArrayLike) -> NDArray[np.float64]:
    """Coverage reached as a share of 0.95, at most 1 (Chi et al. 2023)."""
    return np.minimum(np.asarray(coverage_max, dtype=float) / SUCCESS_COVERAGE, 1.0)


def mean(values: NDArray[np.float64]) -> dict[str, float]:
    """Mean over (training seeds, episodes), and its standard error.

    Training seeds and starts are both drawn at random, and all seeds play the same starts: the
    variances of the seeds' means and of the starts' means add up. Of one seed alone nothing is
    known of the first.
    """
    variance = 0.0
    for axis in (0, 1):
        means = values.mean(axis=axis)
        if len(means) > 1:
            variance += float(means.var(ddof=1)) / len(means)
    return {'mean': float(values.mean()), 'error': variance**0.5}


def iou(coverage: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of T and goal, which are equally large."""
    return coverage / (2 - coverage)
