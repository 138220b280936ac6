"""How fast and how hard the arm may move here, so that a plan has a good chance to be verified.

Near a singularity, or near the end of a joint's range, the arm slows down while it approaches.
Limits of the other space (of the joints where the tip is commanded, of the tip where the joints
are) are met by scaling speed and acceleration through the Jacobian.
"""

from dataclasses import dataclass

import numpy as np

from dp_ros.core.limits import JointLimits, Limit
from dp_ros.core.outlook import Path
from dp_ros.core.profile import Bounds
from dp_ros.core.stamped import Array

# The scale of an approach ends here; what is left is stopped by what lies ahead.
LEAST_SCALE = 0.05
# How much of a limit of the other space a plan uses, of acceleration and of speed; the rest is
# for the curvature of the way.
SHARE = 0.8
SPEED_SHARE = 0.95
# No axis is held below this share of its speed: ruckig needs some, and it may have to evade.
LEAST_SPEED = 1e-3


@dataclass(frozen=True)
class Pace:
    """Bounds (n,) of the plan; what holds its speed and its acceleration down, '' if nothing."""

    bounds: Bounds
    slowed_by: str
    eased_by: str


@dataclass(frozen=True)
class Other:
    """The other space: `matrix` (m, n) maps speeds of the commanded axes to it.

    speed, acceleration: (m,) of each of its axes; a tip's (1,) are limits in total.
    """

    matrix: Array
    speed: Array
    acceleration: Array
    speed_limit: Limit
    acceleration_limit: Limit

    def room(self, velocity: Array, limits: Array) -> float:
        """The factor that would bring a velocity or acceleration (n,) to its `limits`."""
        there = np.abs(self.matrix[:, : len(velocity)] @ velocity)
        if len(limits) == 1:
            there = np.sqrt(np.square(there).sum())[None]
        return float(np.min(limits / np.maximum(there, 1e-12)))


def approach(before: Path, now: Path, joint: JointLimits) -> tuple[float, str]:
    """Scale of the speed in (0, 1] of an arm that comes near a limit, and which one."""
    scale, reason = 1.0, ''
    if now.agility is not None and before.agility is not None:
        left = float(now.agility[0])
        if left < joint.slow_from and left < before.agility[0]:
            scale = (left - joint.stop_at) / (joint.slow_from - joint.stop_at)
            reason = Limit.SINGULARITY.value
    if joint.margin and now.joints is not None and before.joints is not None:
        joints, change = now.joints[0], now.joints[0] - before.joints[0]
        ends = np.where(change > 0, joint.high - joints, joints - joint.low)
        nearest = float(np.min(np.where(change == 0, np.inf, ends))) / joint.margin
        if nearest < scale:
            scale, reason = nearest, Limit.JOINT_POSITION.value
    return max(scale, LEAST_SCALE), reason


def paced(
    bounds: Bounds,
    totals: tuple[tuple[slice, float, Limit], ...],
    approached: tuple[float, str],
    other: Other | None,
    miss: Array,
    drift: Array,
    velocity: Array,
) -> Pace:
    """Bounds scaled so that the motion to a target keeps the limits of all axes together.

    bounds: of each axis (n,); totals: axes, their speed in total, and its name; miss (n,): from
    here to the target, which moves at `drift` (n,); velocity (n,): the present one.
    """
    scale, reason = approached
    wanted = drift + np.sign(miss) * np.sqrt(2 * bounds.acceleration * np.abs(miss))
    chosen = np.clip(wanted, -scale * bounds.speed, scale * bounds.speed)
    slowed = ''
    for axes, total, name in totals:
        if np.any(chosen[axes] != wanted[axes]):
            slowed = name.value
        speed = float(np.sqrt(np.square(chosen[axes]).sum()))
        if speed > scale * total:
            chosen[axes] *= scale * total / speed
            slowed = name.value
    if slowed and scale < 1:
        slowed = reason
    ease, eased = 1.0, ''
    if other is not None:
        room = SPEED_SHARE * other.room(chosen, other.speed)
        if room < 1:
            chosen, slowed = chosen * room, other.speed_limit.value
        pushes = (_peak(chosen - velocity, bounds), _peak(velocity, bounds))
        ease = min(1.0, *(SHARE * other.room(push, other.acceleration) for push in pushes))
        eased = other.acceleration_limit.value if ease < 1 else ''
    held = np.abs(chosen) < np.abs(wanted)
    fastest: Array = np.where(held, np.abs(chosen), scale * bounds.speed)
    fastest = np.maximum(fastest, LEAST_SPEED * bounds.speed)
    return Pace(Bounds(fastest, ease * bounds.acceleration, bounds.jerk), slowed, eased)


def _peak(change: Array, bounds: Bounds) -> Array:
    """Largest acceleration (n,), with its sign, on the way to a `change` of the speed (n,)."""
    peak = np.minimum(bounds.acceleration, np.sqrt(np.abs(change) * bounds.jerk))
    return np.sign(change) * peak
