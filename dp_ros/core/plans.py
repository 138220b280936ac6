"""How far a new plan lies from the one that it replaces: at each time, and as a way.

A plan that does the same a little sooner or later lies far off at each time, and is the same way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dp_ros.core.stamped import ActionChunk, Array

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Apart:
    """timed: mean distance at the times that both have; way: of the ways. In their unit."""

    timed: float
    way: float


def chunks_apart(old: ActionChunk | None, new: ActionChunk, axes: int) -> Apart | None:
    """How far `new` lies from what `old` would have done from its first time on.

    axes: how many components are compared. None where the chunks share no time.
    """
    if old is None:
        return None
    _, mine, theirs = np.intersect1d(old.stamps_ns, new.stamps_ns, return_indices=True)
    if not len(mine):
        return None
    first = int(np.searchsorted(old.stamps_ns, new.stamps_ns[0]))
    return _apart(old.waypoints[first:, :axes], new.waypoints[:, :axes], mine - first, theirs)


def actions_apart(old: Array, new: Array) -> Apart | None:
    """The same for actions (T, A), step for step, NaN where `old` has none; None without any."""
    known = np.flatnonzero(np.isfinite(old).all(axis=-1))
    return _apart(old[known], new, np.arange(len(known)), known) if len(known) else None


def way_distance(one: Array, other: Array) -> float:
    """Mean distance of the points of one way from the line of the other; (n, k), (m, k).

    Of the two means the smaller counts: a way that lies on a part of the other is the same way.
    """
    return min(_to_line(one, other), _to_line(other, one))


def _apart(old: Array, new: Array, old_rows: Rows, new_rows: Rows) -> Apart:
    gaps = np.linalg.norm(old[old_rows] - new[new_rows], axis=1)
    return Apart(float(gaps.mean()), way_distance(old, new))


def _to_line(points: Array, line: Array) -> float:
    """Mean distance of points (n, k) from the line through (m, k)."""
    begins = line[:-1] if len(line) > 1 else line
    pieces = line[1:] - line[:-1] if len(line) > 1 else np.zeros_like(line)
    squares = np.maximum((pieces**2).sum(axis=1), np.finfo(float).tiny)
    gaps = points[:, None] - begins  # (n, pieces, k)
    along = np.clip((gaps * pieces).sum(axis=2) / squares, 0.0, 1.0)
    nearest = gaps - along[..., None] * pieces
    return float(np.linalg.norm(nearest, axis=2).min(axis=1).mean())
