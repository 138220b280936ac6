"""Receding-horizon rollouts of a policy in headless environments, many episodes in lock-step.

The policy is any function from observations (B, T_o, D) to actions (B, T_p, A), so this room
needs to know nothing of networks; one call serves all running episodes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dp_ros.task import Horizons

Array = NDArray[np.float64]
Plan = Callable[[Array], Array]


class Environment(Protocol):
    """A world that answers one policy step at a time."""

    def reset(self, seed: int) -> Array:
        """Start the episode of `seed`; returns the observation (D,)."""
        ...

    def step(self, action: Array) -> Array:
        """Play one action (A,) for one policy step; returns the observation (D,) after it."""
        ...

    @property
    def coverage(self) -> float:
        """Share of the goal covered now, in [0, 1]."""
        ...

    @property
    def done(self) -> bool:
        """Whether the episode is over before its time."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How one episode went; score = coverage_max / 0.95, at most 1 (Chi et al. 2023)."""

    seed: int
    coverage_max: float
    coverage_last: float
    steps: int

    @property
    def success(self) -> bool:
        """Whether the goal was covered to more than 95 % at some time."""
        return self.coverage_max > 0.95

    @property
    def score(self) -> float:
        """Coverage reached, as a share of 0.95."""
        return min(self.coverage_max / 0.95, 1.0)


def rollout(
    make: Callable[[], Environment],
    plan: Plan,
    seeds: list[int],
    horizons: Horizons,
    max_steps: int,
) -> Iterator[Outcome]:
    """Run one episode for each seed; yields outcomes as episodes end.

    Every T_a steps the running episodes are planned in one batch and play actions
    `now .. now + T_a - 1` of what comes back.
    """
    environments = [make() for _ in seeds]
    first = [env.reset(seed) for env, seed in zip(environments, seeds, strict=True)]
    # Before the first step the window repeats the first observation, as in the training windows.
    windows = np.stack([np.repeat(o[None], horizons.observation, axis=0) for o in first])
    best = np.array([env.coverage for env in environments])
    running = np.arange(len(seeds))
    for step in range(max_steps):
        turn = step % horizons.action
        if turn == 0:
            planned = plan(windows[running])
            chunks = np.zeros((len(seeds), *planned.shape[1:]))
            chunks[running] = planned
        for i in running:
            observation = environments[i].step(chunks[i, horizons.now + turn])
            windows[i] = np.concatenate([windows[i][1:], observation[None]])
            best[i] = max(best[i], environments[i].coverage)
        last = step == max_steps - 1
        over = [i for i in running if last or environments[i].done]
        for i in over:
            yield Outcome(seeds[i], float(best[i]), environments[i].coverage, step + 1)
        running = np.array([i for i in running if i not in over], dtype=int)
        if not len(running):
            return
