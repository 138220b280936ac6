"""Fourteen numbers: two arms with grippers take a bar by its ends and carry it to another place.

The arms face each other, 0.9 m apart, and do everything together: the bar stays where it is until
both grippers are closed about its ends, follows both hands, and slips if they do not keep its
length. World coordinates are those of the left arm's base frame. An action, and the first part of
an observation, is joints (6,) and gripper of the left arm, then of the right one (PARTS).
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dp_ros.core.arms import CLOSED, Part
from dp_ros.sim.kinematic_arm import STEP_S, TOOL_DOWN, KinematicArm, joints_along

Array = NDArray[np.float64]

PARTS = {
    'left': Part(joints=tuple(range(6)), states=(6,)),
    'right': Part(joints=tuple(range(7, 13)), states=(13,)),
}
APART_M = 0.9
LENGTH_M = 0.3
LYING_M = 0.05
"""Height at which the bar lies, and is taken."""
TAKEN_M = 0.02
"""How near a hand must be to its end of the bar to take it."""
SLIPS_M = 0.03
"""How far the distance of the hands may differ from the bar's length."""
PLACED_M = 0.025
"""How far both ends may lie from where they are to be."""


def ends(bar: Array) -> Array:
    """Bar (4,), x y z [m] and yaw [rad] -> its left and right end (2, 3)."""
    half = LENGTH_M / 2 * np.array([np.cos(bar[3]), np.sin(bar[3]), 0.0])
    return np.stack([bar[:3] - half, bar[:3] + half])


def across(points: Array) -> Array:
    """Points (..., 3) of the left arm's base frame in that of the right one, and back."""
    return points * (-1, -1, 1) + (APART_M, 0, 0)


def reached(tips: Array) -> Array:
    """Tips (n, 3) in an arm's own frame, tool down -> its joints (n, 6)."""
    turn = np.broadcast_to(TOOL_DOWN, (len(tips), 3))
    return joints_along(np.concatenate([tips, turn], axis=1))


class Carry:
    """Environment (sim/rollout.py); observation (27,): joints and grippers, the tip of each
    arm in its own frame, bar x y z yaw, goal x y yaw.

    arms, closed: of each arm, its joints and whether its gripper is closed; bar (4,): x y z yaw;
    goal (4,); begun: where the bar lay; held: whether the arms have it; slipped: it fell, which
    ends an episode.
    """

    rate_hz = 1 / STEP_S
    max_steps = 140
    images: Mapping[str, NDArray[np.uint8]] = MappingProxyType({})

    def __init__(self) -> None:
        self.reset(0)

    def reset(self, seed: int) -> Array:
        """Hands open over their ends of the table; bar and goal anywhere between them."""
        rng = np.random.default_rng(seed)
        hands = np.array([0.3, 0.0, 0.18]) + rng.uniform(-0.03, 0.03, (2, 3))
        self.arms = {
            arm: KinematicArm(reached(hands[i : i + 1])[0]) for i, arm in enumerate(PARTS)
        }
        self.closed = dict.fromkeys(PARTS, False)
        self.held = self.slipped = False
        self.bar, self.goal = _lying(rng, -1), _lying(rng, 1)
        if rng.integers(2):
            self.bar, self.goal = self.goal, self.bar
        self.begun = self.bar
        return self.observation

    def step(self, action: Array) -> Array:
        """Move the joints towards those of `action` (14,), and the grippers to its states."""
        for arm, part in PARTS.items():
            self.arms[arm].step(np.asarray(action, dtype=float)[list(part.joints)])
            self.closed[arm] = bool(action[part.states[0]] > CLOSED)
        self._move_bar()
        return self.observation

    def servo(
        self, joints: Mapping[str, Array], closed: Mapping[str, bool], seconds: float
    ) -> None:
        """One control period of both executors; an arm that is not named is told nothing new."""
        for arm, setpoint in joints.items():
            self.arms[arm].servo(setpoint, seconds)
        self.closed.update(closed)
        self._move_bar()

    @property
    def hands(self) -> Array:
        """Where the left and the right hand are (2, 3)."""
        return np.stack([self.arms['left'].tip, across(self.arms['right'].tip)])

    @property
    def observation(self) -> Array:
        """What reset and step return, of this moment."""
        arms = [[*self.arms[arm].joints, float(self.closed[arm])] for arm in PARTS]
        tips = [body.tip for body in self.arms.values()]
        return np.concatenate([*arms, *tips, self.bar, self.goal[[0, 1, 3]]])

    @property
    def coverage(self) -> float:
        """1 once the bar lies at the goal and nobody holds it; before, 0.9 of the share done."""
        away = np.linalg.norm(ends(self.bar) - ends(self.goal), axis=1).max()
        if away < PLACED_M and not (self.held or self.slipped):
            return 1.0
        whole = np.linalg.norm(ends(self.begun) - ends(self.goal), axis=1).max()
        return 0.9 * max(0.0, 1 - float(away / whole))

    @property
    def done(self) -> bool:
        """Whether the bar has arrived, or has slipped."""
        return self.slipped or self.coverage == 1.0

    def _move_bar(self) -> None:
        hands = self.hands
        if not self.held:
            near = np.linalg.norm(hands - ends(self.bar), axis=1).max() < TAKEN_M
            self.held = all(self.closed.values()) and bool(near) and not self.slipped
            return
        x, y, _ = hands[1] - hands[0]
        self.bar = np.array([*hands.mean(axis=0), np.arctan2(y, x)])
        stretched = abs(float(np.linalg.norm(hands[1] - hands[0])) - LENGTH_M) > SLIPS_M
        if stretched or not all(self.closed.values()):
            self.held = False
            # Let go near the table it lies there; from higher up it falls.
            self.slipped = stretched or self.bar[2] > LYING_M + PLACED_M
            self.bar[2] = LYING_M


def _lying(rng: np.random.Generator, side: int) -> Array:
    """A bar on the table, on the side of the middle where y has the sign of `side`."""
    along, aside, yaw = rng.uniform(-0.04, 0.04), rng.uniform(0.06, 0.14), rng.uniform(-0.3, 0.3)
    return np.array([APART_M / 2 + along, side * aside, LYING_M, yaw])
