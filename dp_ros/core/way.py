"""From one setpoint to the next: planned together with the brake from there, judged, tried again.

An attempt that breaks a limit of acceleration is followed by one that accelerates and brakes more
gently; any other by one that stays nearer to the path on which the arm can rest anyway. What lies
between two ways from the same setpoint keeps the limits of the axes as both do: these are convex.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dp_ros.core import profile, turning
from dp_ros.core.limits import Limit
from dp_ros.core.motion import Motion
from dp_ros.core.outlook import Path
from dp_ros.core.profile import Bounds, State
from dp_ros.core.stamped import Array

ATTEMPTS = 3
# How much gentler, or nearer to the path to rest, each further attempt is.
GENTLER = 0.4
# A brake that ends further than this beyond its target [m or rad] overshoots it: ruckig is exact
# to about a tenth of it.
OVERSHOOT = 1e-7
# A target moves on at most at this share of the speed at which it is followed.
DRIFT = 0.97
HARD = (Limit.TCP_ACCELERATION.value, Limit.JOINT_ACCELERATION.value)

# A path, judged: with all that is known of it, and the limit that it breaks, '' if none.
Judged = tuple[Path | None, str]


@dataclass(frozen=True)
class Aim:
    """Where the axes (n,) of a plan are, and where they are to be, moving on at `drift`.

    pose: whether they are x y z, with the rotation vector from the present rotation behind them
    if it turns; else joints.
    """

    start: State
    target: Array
    drift: Array
    pose: bool

    @property
    def places(self) -> int:
        """How many of the axes come first that are no rotation."""
        return 3 if self.pose else len(self.target)


def found(
    motion: Motion,
    aim: Aim,
    bounds: Bounds,
    dt: float,
    count: int,
    judge: Callable[[Path], Judged],
) -> Judged:
    """A path on towards an aim that keeps all limits, None if none is found.

    Its first `count` setpoints lead there, the others to rest. With it the limit that the first
    attempt broke.
    """
    ease = share = 1.0
    first = ''
    for _ in range(ATTEMPTS):
        gentle = replace(bounds, acceleration=ease * bounds.acceleration)
        rows = _planned(motion, aim, gentle, share, dt, count)
        broken = ''
        if rows is not None:
            path, broken = judge(_path(motion, aim, rows))
            if not broken:
                return path, first
        first = first or broken
        if broken in HARD:
            ease *= GENTLER
        else:
            share *= GENTLER
    return None, first


def _planned(
    motion: Motion, aim: Aim, bounds: Bounds, share: float, dt: float, count: int
) -> State | None:
    """The next `count` states on the way to the aim and those of the brake from there, as rows.

    None where there is none that does not overshoot a target that stands still from now on.
    """
    drift = np.clip(aim.drift, -DRIFT * bounds.speed, DRIFT * bounds.speed)
    while True:
        behind = np.sign(drift) * profile.stopping_distance(np.abs(drift), bounds)
        ahead = profile.toward(aim.start, aim.target - behind, drift, bounds, dt, count)
        if ahead is None:
            return None
        if share < 1:
            ahead = _blend(_resting(motion, aim, count), ahead, share)
        stop = profile.brake(ahead.row(-1), bounds, dt)
        if stop is None:
            return None
        rows = profile.joined(ahead, stop)
        overshot = _overshot(motion, aim, rows.position, drift * dt * count)
        if not overshot.any():
            return rows
        if not drift[: aim.places][overshot].any():
            return None
        drift[: aim.places][overshot] = 0.0


def _overshot(motion: Motion, aim: Aim, rows: Array, moved: Array) -> NDArray[np.bool_]:
    """Places (n,) that rows (m, k) bring beyond the target, and the path to rest would not.

    moved (k,): how far the target moves in one plan; so far beyond it is no overshooting, else an
    arm that catches up would brake for a standstill again and again.
    """
    n = aim.places
    way, target = np.sign(aim.target - aim.start.position)[:n], aim.target[:n]
    anyway = motion.path.state.position[motion.index :, :n]
    overshot: NDArray[np.bool_] = ((rows[:, :n] - target) * way).max(axis=0) > np.maximum(
        ((anyway - target) * way).max(axis=0), 0.0
    ) + OVERSHOOT + np.abs(moved[:n])
    return overshot


def _resting(motion: Motion, aim: Aim, count: int) -> State:
    """The next `count` states on the path to rest, on the axes of the aim."""
    rests, rest = [], motion
    for _ in range(count):
        rest = rest.braked()
        rests.append(_on_axes(rest, motion.setpoint, aim))
    return State(
        np.array([state.position for state in rests]),
        np.array([state.velocity for state in rests]),
        np.array([state.acceleration for state in rests]),
    )


def _on_axes(rest: Motion, origin: Array, aim: Aim) -> State:
    """The state of a motion on the axes of an aim, which starts from the setpoint `origin`."""
    position, velocity, acceleration = rest.setpoint, rest.velocity, rest.acceleration
    n = aim.places
    if len(aim.target) == n:
        return State(position[:n], velocity[:n], acceleration[:n])
    none = np.zeros(6 - len(velocity))
    velocity, acceleration = np.append(velocity, none), np.append(acceleration, none)
    turn = turning.seen_from(origin[3:], position[3:], velocity[3:], acceleration[3:])
    return State(
        np.append(position[:3], turn.position),
        np.append(velocity[:3], turn.velocity),
        np.append(acceleration[:3], turn.acceleration),
    )


def _path(motion: Motion, aim: Aim, rows: State) -> Path:
    """Planned axes as setpoints."""
    if not aim.pose:
        return Path(rows.position, rows, joints=rows.position)
    tips, anchor = rows.position[:, :3], None
    turns = np.repeat(motion.setpoint[None, 3:], len(tips), axis=0)
    if len(aim.target) > 3:
        anchor = motion.setpoint[3:]
        turns = turning.turned(anchor, rows.position[:, 3:])
    return Path(np.concatenate([tips, turns], axis=1), rows, anchor, tips=tips)


def _blend(first: State, second: State, share: float) -> State:
    return State(
        first.position + share * (second.position - first.position),
        first.velocity + share * (second.velocity - first.velocity),
        first.acceleration + share * (second.acceleration - first.acceleration),
    )
