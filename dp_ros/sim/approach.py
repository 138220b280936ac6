"""The tip's way around the T: shortest path over a visibility graph of the T's grown outline."""

from heapq import heappop, heappush

import numpy as np

from dp_ros.sim import pusht
from dp_ros.sim.pushing_model import nearest_on_block

_MARGINS_M = (0.010, 0.006, 0.003)
"""Free space kept between tip and T on the way; the next is tried where the last has no way."""

_SAMPLES = np.linspace(0, 1, 41)
_BORDER_M = 0.001


def _corners(grow: float) -> np.ndarray:
    """Corners (8, 2) of the outline grown by `grow`, T's frame from its origin."""
    bar, stem = pusht.BAR_HALF[0] + grow, pusht.STEM_HALF[0] + grow
    low, shoulder, top = -grow, 2 * pusht.BAR_HALF[1] + grow, pusht.OUTLINE[4, 1] + grow
    return np.array([
        [-bar, low], [bar, low], [bar, shoulder], [stem, shoulder],
        [stem, top], [-stem, top], [-stem, shoulder], [-bar, shoulder],
    ])  # fmt: skip


def _gap(points: np.ndarray) -> np.ndarray:
    """Distance (...) from points (..., 2) in the T's frame to the T."""
    return nearest_on_block(points[..., 0], points[..., 1] - pusht.CENTRE_OF_MASS[1])[0]


def lift_off(tip: np.ndarray, distance: float) -> np.ndarray:
    """`tip` (2,), T's frame, moved straight away from the T until it is `distance` from it."""
    for _ in range(4):
        gap, px, py = nearest_on_block(tip[0], tip[1] - pusht.CENTRE_OF_MASS[1])
        if gap >= distance - 1e-6:
            break
        away = tip - (px, py + pusht.CENTRE_OF_MASS[1]) if gap > 1e-6 else tip - (0.0, 0.03)
        tip = tip + away / np.linalg.norm(away) * (distance - gap)
    return tip


def _turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle by which the straight way from a to b turns about the T's centre of mass."""
    a, b = a - pusht.CENTRE_OF_MASS, b - pusht.CENTRE_OF_MASS
    return np.arctan2(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], (a * b).sum(-1))


def route(
    tip: np.ndarray, contact: np.ndarray, pose: np.ndarray, turn_cost_m: float = 0.0
) -> np.ndarray | None:
    """Waypoints (k, 2) from `tip` to `contact`, both in the base frame, around the T at `pose`.

    It leaves and reaches the T at right angles. `turn_cost_m` is what a radian of clockwise
    turn about the T costs extra (counter-clockwise when negative): with it a side is chosen.
    None when there is no way inside the workspace square.
    """
    ends = into_block(np.array([tip, contact]), pose)
    for margin in _MARGINS_M:
        way = _search(ends, pose, pusht.TIP_RADIUS_M + margin, turn_cost_m)
        if way is not None:
            return pusht.to_base_frame(way, pose)
    return None


def reachable(tip: np.ndarray, contacts: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Which of the contacts (n, 2) have a way from `tip`, shape (n,) bool."""
    clearance = pusht.TIP_RADIUS_M + _MARGINS_M[-1]
    ends = into_block(np.vstack([tip, contacts]), pose)
    lifted = np.array([lift_off(end, clearance) for end in ends])
    nodes = np.vstack([lifted[:1], _corners(clearance)])
    inside = _inside(nodes, pose)
    inside[0] = True
    free = _free(nodes, nodes, clearance) & inside
    known = np.arange(len(nodes)) == 0
    for _ in nodes:
        known = known | free[known].any(axis=0)
    seen = _free(nodes[known], lifted[1:], clearance).any(axis=0)
    return np.logical_and(seen, _inside(lifted[1:], pose))


def into_block(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Points (..., 2) of the base frame in the T's frame, the T at `pose` (3,)."""
    c, s = np.cos(pose[2]), np.sin(pose[2])
    return (points - pose[:2]) @ np.array([[c, -s], [s, c]])


def _inside(nodes: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Which nodes (n, 2), T's frame, lie in the workspace square."""
    world = pusht.to_base_frame(nodes, pose)
    low, high = pusht.SQUARE_LOW + _BORDER_M, pusht.SQUARE_HIGH - _BORDER_M
    return np.all((world > low) & (world < high), axis=1)


def _free(a: np.ndarray, b: np.ndarray, clearance: float) -> np.ndarray:
    """Whether the straight ways from a (n, 2) to b (m, 2), T's frame, keep clear, (n, m) bool."""
    a, b = a[:, None, None, :], b[None, :, None, :]
    return np.asarray((_gap(a + (b - a) * _SAMPLES[:, None]) > clearance - 1e-4).all(-1))


def _search(
    ends: np.ndarray, pose: np.ndarray, clearance: float, turn_cost_m: float
) -> np.ndarray | None:
    start, goal = (lift_off(end, clearance) for end in ends)
    nodes = np.vstack([start, goal, _corners(clearance)])
    inside = _inside(nodes, pose)
    if not inside[1]:
        return None
    inside[0] = True  # wherever the tip is, it may leave

    free = _free(nodes, nodes, clearance) & inside
    a, b = np.broadcast_arrays(nodes[:, None, :], nodes[None, :, :])
    cost = np.linalg.norm(b - a, axis=-1) + np.maximum(0, -_turn(a, b) * turn_cost_m)

    best = {0: 0.0}
    queue: list[tuple[float, int, tuple[int, ...]]] = [(0.0, 0, (0,))]
    while queue:
        length, node, way = heappop(queue)
        if node == 1:
            return np.vstack([ends[0], nodes[list(way)], ends[1]])
        for other in np.flatnonzero(free[node]):
            total = length + cost[node, other]
            if total < best.get(int(other), np.inf):
                best[int(other)] = total
                heappush(queue, (total, int(other), (*way, int(other))))
    return None
