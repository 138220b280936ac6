"""Which push next: every contact, direction and length of a straight push, two pushes deep."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dp_ros.sim import pusht
from dp_ros.sim.pushing_model import Block, nearest_on_block, push

PUSH_SPEED_M_S = 0.12
TRAVEL_SPEED_M_S = 0.17

_ARM_M = 0.06
"""Lever that makes an angle comparable with a distance: corners lie about this far out."""

_FOLD_S = 3.0
_DONE_M = 0.002
_FAR_M = 0.06
"""Seconds an expert needs to bring the T e times nearer, the distance that is near enough, and
the one beyond which a push brings it nearer by a length rather than by a ratio."""

_PUSH_S = 0.4
"""What any push costs beyond its length: without it, doing little now always looks best."""

_CONTACT_S = 0.4
"""A new contact costs this beyond the way there: lifting off and touching down."""

_SPACING_M = 0.008
"""Between neighbouring contacts along the T's edges."""

_ANGLES = np.radians([-40, -20, 0, 20, 40])
_INCREMENTS_M = np.array([1, 1, 1, 1.5, 1.5, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5]) * 1e-3
_LENGTHS_M = np.cumsum(_INCREMENTS_M)
_DEEPER = 40
"""First pushes that are followed one push further."""

_BORDER_M = 0.003
"""The tip stays this far inside the square."""

_INNER_M = 0.075
"""The T's centre of mass should stay this far inside the square, or the tip cannot get behind."""


@dataclass(frozen=True)
class Push:
    """A straight push in the base frame, metres.

    start, end: tip positions (2,); start touches the T. after: the T's expected pose (3,).
    """

    start: np.ndarray
    end: np.ndarray
    after: np.ndarray


def distance_to_goal(block: Block) -> np.ndarray:
    """How far T poses (n,) are from the goal, metres: position and angle in one number."""
    goal = Block.from_pose(pusht.GOAL_POSE)
    turn = (block.yaw - goal.yaw + np.pi) % (2 * np.pi) - np.pi
    off = np.sqrt((block.x - goal.x) ** 2 + (block.y - goal.y) ** 2 + (_ARM_M * turn) ** 2)
    low, high = pusht.SQUARE_LOW + _INNER_M, pusht.SQUARE_HIGH - _INNER_M
    out = sum(
        np.maximum(0, np.maximum(low[i] - v, v - high[i])) for i, v in ((0, block.x), (1, block.y))
    )
    return off + 3 * out


def _seconds_to_go(block: Block) -> np.ndarray:
    """Expected time from T poses (n,) to the goal; progress must pay for what a push costs."""
    distance = distance_to_goal(block)
    near, far = np.minimum(distance, _FAR_M), np.maximum(distance - _FAR_M, 0)
    return _FOLD_S * (np.log1p(near / _DONE_M) + far / _FAR_M)


def _contacts() -> tuple[np.ndarray, np.ndarray]:
    """Tip centres (n, 2) that touch the T and directions (n, 2) into it, from its mass centre."""
    centres, directions = [], []
    ring = np.vstack([pusht.OUTLINE, pusht.OUTLINE[:1]]) - pusht.CENTRE_OF_MASS
    for a, b in pairwise(ring):
        length = np.linalg.norm(b - a)
        inward = np.array([a[1] - b[1], b[0] - a[0]]) / length
        count = max(2, round((length - 0.006) / _SPACING_M) + 1)
        for at in np.linspace(0.003, length - 0.003, count):
            centre = a + (b - a) * (at / length) - inward * pusht.TIP_RADIUS_M
            if nearest_on_block(centre[0], centre[1])[0] > pusht.TIP_RADIUS_M - 1e-6:
                centres.append(centre)
                directions.append(inward)
    return np.array(centres), np.array(directions)


_CENTRES, _INWARD = _contacts()


def _turned(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    c, s = np.cos(angle)[..., None], np.sin(angle)[..., None]
    return c * vectors + s * np.stack([-vectors[..., 1], vectors[..., 0]], axis=-1)


@dataclass(frozen=True)
class _Rollouts:
    """n candidate pushes at k lengths.

    start, direction: (n, 2). after: the T's poses, arrays (k, n). to_go, seconds: (k, n), the
    time from there to the goal (infinite where the tip cannot be) and the time to get there.
    """

    start: np.ndarray
    direction: np.ndarray
    after: Block
    to_go: np.ndarray
    seconds: np.ndarray


def _roll(
    block: Block, tip: np.ndarray, angles: np.ndarray, scale: float, dtype: type
) -> _Rollouts:
    """Every contact x angle of m blocks; `tip` (m, 2): where the tip comes from. n = m * c * a."""
    m, c, a = len(block.x), len(_CENTRES), len(angles)
    yaw = block.yaw[:, None, None]
    centre = np.stack([block.x, block.y], axis=-1)[:, None, None, :]
    local = _turned(np.broadcast_to(_CENTRES[None, :, None], (m, c, a, 2)), yaw)
    start = (centre + local).reshape(-1, 2).astype(dtype)
    heading = _turned(np.broadcast_to(_INWARD[None, :, None], (m, c, a, 2)), yaw + angles)
    heading = heading.reshape(-1, 2).astype(dtype)

    here = tip[:, None, None, :] - centre
    straight = np.linalg.norm(here - local, axis=-1)
    turn = here[..., 0] * local[..., 1] - here[..., 1] * local[..., 0]
    turn = np.abs(np.arctan2(turn, (here * local).sum(-1)))
    travel = np.maximum(straight, np.where(straight > 0.01, 0.10 * turn, 0)).reshape(-1)
    fixed = _PUSH_S + np.where(straight > 0.005, _CONTACT_S, 0).reshape(-1)
    before = fixed + travel / TRAVEL_SPEED_M_S

    now = Block(*(np.repeat(v, c * a).astype(dtype) for v in (block.x, block.y, block.yaw)))
    low, high = pusht.SQUARE_LOW + _BORDER_M, pusht.SQUARE_HIGH - _BORDER_M
    reachable = np.all((start > low) & (start < high), axis=1)
    blocks, to_go, seconds = [], [], []
    done = 0.0
    for increment in _INCREMENTS_M * scale:
        done += increment
        at = start + heading * done
        step = heading * increment
        now = push(now, at[:, 0], at[:, 1], step[:, 0], step[:, 1])
        within = reachable & np.all((at > low) & (at < high), axis=1)
        blocks.append(now)
        to_go.append(np.where(within, _seconds_to_go(now), np.inf))
        seconds.append(before + done / PUSH_SPEED_M_S)
    after = Block(*(np.array([getattr(b, name) for b in blocks]) for name in ('x', 'y', 'yaw')))
    return _Rollouts(start, heading, after, np.array(to_go), np.array(seconds))


def _scale(distance: np.ndarray) -> float:
    """How long pushes are, in _LENGTHS_M: finer near the goal. `distance`: to the goal, metres."""
    return float(np.clip(np.min(distance) / 0.06, 0.25, 1.5))


def _best(score: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(length, candidate) indices of the `count` lowest finite scores (k, n), best first.

    At most two lengths of each candidate, or one good push would crowd out all others.
    """
    taken = np.zeros(score.shape[1], int)
    chosen: list[tuple[int, int]] = []
    for index in np.argsort(score, axis=None):
        length, candidate = divmod(int(index), score.shape[1])
        if len(chosen) == count or not np.isfinite(score[length, candidate]):
            break
        if taken[candidate] < 2:
            taken[candidate] += 1
            chosen.append((length, candidate))
    lengths, candidates = np.array(chosen, int).reshape(-1, 2).T
    return lengths, candidates


def contacts(pose: np.ndarray) -> np.ndarray:
    """Tip positions (n, 2) that touch the T at `pose`: where pushes may start."""
    return pusht.to_base_frame(_CENTRES + pusht.CENTRE_OF_MASS, pose)


def pushes(
    pose: np.ndarray,
    tip: np.ndarray,
    usable: np.ndarray,
    rng: np.random.Generator,
    temperature_s: float,
) -> Iterator[Push]:
    """Pushes for the T at `pose` (3,) with the tip at `tip` (2,), best first.

    usable (n,) bool says from which of `contacts` the first push may start.

    Gumbel noise of `temperature_s` on the scores, seconds until the goal, makes it a draw from
    the softmax over the candidates.
    """
    block = Block.from_pose(pose[None])
    scale = _scale(distance_to_goal(block))
    first = _roll(block, tip[None], _ANGLES, scale, np.float64)
    barred = np.where(np.repeat(usable, len(_ANGLES)), 0, np.inf)
    lengths, candidates = _best(first.to_go + first.seconds + barred, _DEEPER)
    if not len(candidates):
        return
    at = lengths, candidates
    after = Block(first.after.x[at], first.after.y[at], first.after.yaw[at])
    ends = first.start[candidates] + (
        first.direction[candidates] * (_LENGTHS_M[lengths] * scale)[:, None]
    )

    second = _roll(after, ends, _ANGLES[1:4], _scale(distance_to_goal(after)), np.float32)
    onward = (second.to_go + second.seconds).reshape(len(_LENGTHS_M), len(candidates), -1)
    total = np.minimum(first.to_go[at], onward.min(axis=(0, 2))) + first.seconds[at]
    total -= rng.gumbel(size=len(total)) * temperature_s
    for i in np.argsort(total):
        yield Push(first.start[candidates[i]], ends[i], after.pose[i])
