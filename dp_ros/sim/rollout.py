"""Receding-horizon rollouts of a policy in headless environments, many episodes in lock-step.

The policy is any function from what was seen to actions (B, T_p, A), so this room needs to know
nothing of networks; one call serves all running episodes.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dp_ros.task import Horizons

Array = NDArray[np.float64]
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    """What a policy plans from: vector (B, T_o, D) and images[camera] (B, T_o, H, W, 3) uint8.

    before: the plan that is being played, (B, T_p, A) step for step beside the new one, NaN where
    it has no action; None at the start.
    """

    vector: Array
    images: Mapping[str, Image] = field(default_factory=dict)
    before: Array | None = None


Plan = Callable[[Seen], Array]


class Environment(Protocol):
    """A world that answers one policy step at a time."""

    def reset(self, seed: int) -> Array:
        """Start the episode of `seed`; returns the observation (D,)."""
        ...

    def step(self, action: Array) -> Array:
        """Play one action (A,) for one policy step; returns the observation (D,) after it."""
        ...

    @property
    def images(self) -> Mapping[str, Image]:
        """The prepared frames of this moment by camera, taken when asked for; none without any."""
        ...

    @property
    def coverage(self) -> float:
        """Share of the goal covered now, in [0, 1]."""
        ...

    @property
    def done(self) -> bool:
        """Whether the episode is over before its time."""
        ...


class LockStep:
    """Environments that have been reset to `observations`, driven by one policy.

    Every T_a steps the running ones are planned together. The first `delay_steps` actions of a
    new chunk are not there in time, as on a robot whose policy has to think: for as long, the
    actions of the chunk before it play on. At the start the robot rests and waits.
    """

    def __init__(
        self,
        environments: Sequence[Environment],
        observations: Sequence[Array],
        plan: Plan,
        horizons: Horizons,
        delay_steps: int = 0,
    ) -> None:
        check_delay(horizons, delay_steps)
        self._environments, self._plan = environments, plan
        self._horizons, self._delay_steps = horizons, delay_steps
        self._step = 0
        # Before the first step the window repeats the first observation, as in training.
        length = horizons.observation
        self._vectors = [deque([o] * length, maxlen=length) for o in observations]
        self._images = [deque([env.images] * length, maxlen=length) for env in environments]
        self._old: dict[int, Array] = {}
        self._new: dict[int, Array] = {}

    def step(self, running: Sequence[int]) -> None:
        """One policy step of the environments `running`."""
        turn = self._step % self._horizons.action
        if turn == 0:
            self._old = self._new
            self._new = dict(zip(running, self._plan(self._seen(running)), strict=True))
        for i in running:
            self._vectors[i].append(self._environments[i].step(self._due(i, turn)))
            self._images[i].append(self._environments[i].images if self._is_seen() else {})
        self._step += 1

    def committed(self, i: int) -> list[Array]:
        """The next actions (A,) of environment i that a plan made now comes too late for."""
        if not self._new:
            return []
        turn = self._step % self._horizons.action or self._horizons.action
        return [self._due(i, turn + ahead) for ahead in range(self._delay_steps)]

    def _due(self, i: int, turn: int) -> Array:
        """What environment i plays `turn` steps after its newest plan was begun."""
        if self._old and turn < self._delay_steps:
            return self._old[i][self._horizons.now + turn + self._horizons.action]
        return self._new[i][self._horizons.now + turn]

    def _is_seen(self) -> bool:
        """Whether a window will hold what this step leads to; other frames are not taken."""
        return -(self._step + 1) % self._horizons.action < self._horizons.observation

    def _seen(self, running: Sequence[int]) -> Seen:
        vector = np.stack([np.stack(self._vectors[i]) for i in running])
        images = {
            camera: np.stack([np.stack([f[camera] for f in self._images[i]]) for i in running])
            for camera in self._images[running[0]][-1]
        }
        return Seen(vector, images, self._before(running))

    def _before(self, running: Sequence[int]) -> Array | None:
        if not self._new:
            return None
        plans = np.stack([self._new[i] for i in running])
        before = np.full_like(plans, np.nan)
        executed = self._horizons.action
        before[:, :-executed] = plans[:, executed:]
        return before


def check_delay(horizons: Horizons, delay_steps: int) -> None:
    """Raise ValueError for a delay that a prediction is too short to bridge."""
    most = min(horizons.action, horizons.prediction - horizons.now - horizons.action)
    if not 0 <= delay_steps <= most:
        raise ValueError(
            f'a delay of {delay_steps} steps cannot be bridged: predictions of '
            f'{horizons.prediction} actions, {horizons.action} of them executed, bridge up to '
            f'{most}'
        )


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
    delay_steps: int = 0,
) -> Iterator[Outcome]:
    """Run one episode for each seed; yields outcomes as episodes end."""
    environments = [make() for _ in seeds]
    first = [env.reset(seed) for env, seed in zip(environments, seeds, strict=True)]
    best = [env.coverage for env in environments]
    lock_step = LockStep(environments, first, plan, horizons, delay_steps)
    running = list(range(len(seeds)))
    for step in range(max_steps):
        lock_step.step(running)
        last = step == max_steps - 1
        for i in list(running):
            env = environments[i]
            best[i] = max(best[i], env.coverage)
            if last or env.done:
                running.remove(i)
                yield Outcome(seeds[i], best[i], env.coverage, step + 1)
        if not running:
            return
