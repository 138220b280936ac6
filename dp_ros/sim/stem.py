"""Push-T at a fork: the agent stands before the end of the T's stem, and has to go around it.

The block lies beyond the goal, turned as the goal is, so it must be pushed towards the agent, from
behind its bar. The way there leads past the left or the right of the T, and both are as long: the
goal and the square are symmetric about the line that agent and block lie on (Chi et al. 2023,
fig. 3).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dp_ros.sim.gym_pusht import GOAL_POSE, Array, GymPushT

Side = Literal['left', 'right', 'straight', 'undecided']
SIDES: tuple[Side, ...] = ('left', 'right', 'straight', 'undecided')

BEYOND = 55.0
"""How far the block lies behind the goal [px]."""
AGENT_ALONG = 230.0
"""From the block's origin to the agent, along the stem [px]; the stem ends at 120."""
STEM_HALF, TIP_RADIUS = 15.0, 15.0
_MOVED, _TURNED = 1.0, 0.02


def _axes(angle: float) -> Array:
    """Rows: the block's x and y axis (y is the stem's direction)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, sine], [-sine, cosine]])


def _start() -> Array:
    stem = _axes(GOAL_POSE[2])[1]
    block = GOAL_POSE[:2] - BEYOND * stem
    return np.array([*(block + AGENT_ALONG * stem), *block, GOAL_POSE[2]])


START = _start()
"""Agent x, y, block x, y, angle; shape (5,)."""
START.setflags(write=False)


class BeforeTheStem(GymPushT):
    """Push-T from START, whatever the seed. states: all observations (5,) since reset."""

    def reset(self, seed: int) -> Array:
        self.states = [self.place(START)]
        return self.states[0]

    def step(self, action: Array) -> Array:
        self.states.append(super().step(action))
        return self.states[-1]


@dataclass(frozen=True)
class Way:
    """Where one rollout went. points: agent positions (n, 2), px, across and along the stem.

    Across counts to the right, as the agent sees the T. side: where it first was beside the stem,
    or moved the T; straight: it moved the T by pushing the stem's end. switches: how often it
    changed sides until then.
    """

    points: Array
    side: Side
    switches: int


def read(states: NDArray[np.floating]) -> Way:
    """The way of a rollout from START; states: (n, 5)."""
    points = (states[:, :2] - START[2:4]) @ _axes(START[4]).T
    across = points[:, 0]
    turned = np.abs((states[:, 4] - START[4] + np.pi) % (2 * np.pi) - np.pi)
    moved = (np.linalg.norm(states[:, 2:4] - START[2:4], axis=1) > _MOVED) | (turned > _TURNED)
    beside = np.abs(across) > STEM_HALF + TIP_RADIUS
    decided = min(_first(moved), _first(beside))
    clear = across[: decided + 1]
    clear = clear[np.abs(clear) > STEM_HALF]
    switches = int(np.count_nonzero(np.diff(np.sign(clear))))
    if decided == len(states):
        return Way(points, 'undecided', switches)
    if abs(across[decided]) <= STEM_HALF:
        return Way(points, 'straight', switches)
    return Way(points, 'right' if across[decided] > 0 else 'left', switches)


def _first(flags: NDArray[np.bool_]) -> int:
    """Index of the first that is set; the length where none is."""
    return int(flags.argmax()) if flags.any() else len(flags)
