"""How two arms carry a bar: one plan for both hands, by one who sees everything."""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dp_ros.data.replay_buffer import Episode
from dp_ros.sim.carry import LYING_M, PARTS, Carry, across, ends, reached
from dp_ros.sim.kinematic_arm import eased, wavering

Array = NDArray[np.float64]

ABOVE_M, LIFT_M = 0.08, 0.1
OVER_STEPS, DOWN_STEPS, CARRY_STEPS, UP_STEPS = 20, 10, 30, 10
"""To over the bar, down to it, with it to the goal, up again."""
WAIT_STEPS = 4
"""Until hands that lag have come to rest, and again until a gripper has done its work."""
WAVERS_RAD = 0.01


def way(environment: Carry) -> Array:
    """Actions (n, 14) from where everything is to the bar at its goal, and the hands over it."""
    hands = environment.hands
    bar, goal = environment.bar, environment.goal
    above = (0.0, 0.0, ABOVE_M)
    over = _towards(hands, ends(bar) + above, OVER_STEPS)
    down = _towards(over[-1], ends(bar), DOWN_STEPS)
    s = eased(CARRY_STEPS)[:, None]
    bars = bar + s * (goal - bar)
    bars[:, 2] = LYING_M + LIFT_M * np.sin(np.pi * s[:, 0])
    carried = np.stack([ends(row) for row in bars])
    up = _towards(carried[-1], ends(goal) + above, UP_STEPS)
    phases = [
        (over, 0), (down, 0), (_still(down), 0), (_still(down), 1),
        (carried, 1), (_still(carried), 1), (_still(carried), 0), (up, 0),
    ]  # fmt: skip
    tips = np.concatenate([points for points, _ in phases])  # (n, 2, 3)
    closed = np.concatenate([np.full((len(points), 1), state) for points, state in phases])
    left, right = reached(tips[:, 0]), reached(across(tips[:, 1]))
    return np.concatenate([left, closed, right, closed], axis=1)


def demonstrations(count: int, seed: int) -> Iterator[Episode]:
    """Episodes of starts from `seed` on in which the bar arrives, although hands are not still."""
    environment, rng = Carry(), np.random.default_rng([seed, 1])
    for number in itertools.count(seed):
        states = [environment.reset(number)]
        actions = way(environment)
        executed = actions.copy()
        for part in PARTS.values():
            executed[:, list(part.joints)] += wavering(rng, len(actions), WAVERS_RAD)
        states += [environment.step(action) for action in executed]
        if environment.coverage < 1:
            continue
        yield Episode(np.array(states[:-1], np.float32), actions.astype(np.float32))
        count -= 1
        if not count:
            return


def _towards(start: Array, end: Array, steps: int) -> Array:
    """Both hands (2, 3) on straight ways, (steps, 2, 3)."""
    return start + eased(steps)[:, None, None] * (end - start)


def _still(points: Array) -> Array:
    return np.repeat(points[-1:], WAIT_STEPS, axis=0)
