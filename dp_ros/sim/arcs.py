"""The teaching example: from the left edge to the right one, along either of two arcs.

The end effector lives in [0, 1000]^2. Both arcs lead from (0, 500) to (1000, 500): the upper one
lies on a circle centred at (500, 0), the lower one on a circle centred at (500, 1000), both of
radius 500 sqrt(2). The action of step i is the state of step i + 3. Whoever averages the two arcs
goes straight through the middle, where nobody ever went.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dp_ros.data.replay_buffer import Episode

Array = NDArray[np.float64]

START, GOAL = np.array([0.0, 500.0]), np.array([1000.0, 500.0])
SPACING = 12.5
LEAD_STEPS = 3
ARRIVED = 25.0
# People do not draw perfect circles: a smooth deviation of about this size.
DEVIATION = 6.0


def arc(upper: bool) -> Array:
    """Points (81, 2) of one arc, 12.5 apart in x."""
    x = np.arange(0.0, 1000.0 + SPACING, SPACING)
    height = np.sqrt(500.0**2 * 2 - (x - 500.0) ** 2)
    return np.stack([x, height if upper else 1000.0 - height], axis=1)


def demonstrations(count: int, seed: int) -> Iterator[Episode]:
    """Episodes along the upper or the lower arc, by coin flip."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        path = arc(bool(rng.integers(2)))
        waves = rng.normal(size=2) * DEVIATION
        along = np.linspace(0, np.pi, len(path))
        path[:, 1] += waves[0] * np.sin(along) + waves[1] * np.sin(2 * along)
        ahead = np.minimum(np.arange(len(path)) + LEAD_STEPS, len(path) - 1)
        yield Episode(path.astype(np.float32), path[ahead].astype(np.float32))


class Arcs:
    """Environment (sim/rollout.py): each step goes a third of the way to the action."""

    max_steps = 160
    images: Mapping[str, NDArray[np.uint8]] = MappingProxyType({})

    def __init__(self) -> None:
        self.position = START.copy()
        self.path: list[Array] = []

    def reset(self, seed: int) -> Array:
        """At the start, give or take two units."""
        self.position = START + np.random.default_rng(seed).normal(size=2) * 2.0
        self.path = [self.position]
        return self.position

    def step(self, action: Array) -> Array:
        """Move towards `action` (2,)."""
        self.position = self.position + (np.asarray(action) - self.position) / LEAD_STEPS
        self.path.append(self.position)
        return self.position

    @property
    def coverage(self) -> float:
        """Share of the way that is done; 1 once the goal is reached."""
        distance = float(np.linalg.norm(self.position - GOAL))
        return 1.0 if distance < ARRIVED else max(0.0, 1 - distance / 1000.0)

    @property
    def done(self) -> bool:
        """Whether the goal is reached."""
        return self.coverage == 1.0
