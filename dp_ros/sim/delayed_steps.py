"""Policy steps with a delay, watched: which actions were played, and how plans agreed.

Wrappers around what sim/rollout.py drives in lock-step.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dp_ros.core.plans import Apart, actions_apart
from dp_ros.core.seams import Roughness, roughness
from dp_ros.sim.rollout import Array, Environment, Plan, Seen
from dp_ros.task import Horizons

STEP_NS = 100_000_000
# A joint between two steps is felt in the two second differences that span it.
HALF_A_STEP = 0.5


class Recorded:
    """An environment that keeps the actions played, and the best coverage; over at a limit."""

    def __init__(self, env: Environment, limit: int) -> None:
        self._env, self._limit = env, limit
        self.actions: list[Array] = []
        self.best = 0.0

    def reset(self, seed: int) -> Array:
        """As the environment does."""
        self.seed = seed
        self.actions = []
        self.best = 0.0
        return self._env.reset(seed)

    def step(self, action: Array) -> Array:
        """As the environment does."""
        observation = self._env.step(action)
        self.actions.append(np.array(action, dtype=float))
        self.best = max(self.best, self._env.coverage)
        return observation

    @property
    def images(self) -> Mapping[str, NDArray[np.uint8]]:
        return self._env.images

    @property
    def coverage(self) -> float:
        return self._env.coverage

    @property
    def done(self) -> bool:
        """Whether the episode is over, by success or by its length."""
        return self._env.done or len(self.actions) >= self._limit

    def roughness(self, seams: list[int]) -> Roughness:
        """Accelerations per step^2, at the steps `seams` that began a chunk and elsewhere."""
        steps = np.arange(len(self.actions), dtype=np.int64) * STEP_NS
        joints = [(step * STEP_NS - STEP_NS // 2,) for step in seams if step < len(steps)]
        inner = [int(time) - STEP_NS // 2 for time in steps]
        # In units of steps rather than seconds.
        scaled = np.array(self.actions) * (STEP_NS * 1e-9) ** 2
        return roughness(steps, scaled, joints, inner, HALF_A_STEP)


class Waiting:
    """Stop and wait: before each chunk but the first, the last action is kept for `delay_steps`.

    To be driven without a delay, `action_steps` at a time: the plan is then that of the moment at
    which the arm began to wait.
    """

    def __init__(self, env: Recorded, action_steps: int, delay_steps: int) -> None:
        self._env, self._action_steps, self._delay_steps = env, action_steps, delay_steps
        self._count = 0
        self.waited = 0

    def reset(self, seed: int) -> Array:
        """As the environment does."""
        self._count = self.waited = 0
        return self._env.reset(seed)

    def step(self, action: Array) -> Array:
        """Wait if a chunk begins, then play the action."""
        if self._count and self._count % self._action_steps == 0:
            for _ in range(self._delay_steps):
                observation = self._env.step(self._env.actions[-1])
                self.waited += 1
                if self.done:
                    return observation
        self._count += 1
        return self._env.step(action)

    @property
    def images(self) -> Mapping[str, NDArray[np.uint8]]:
        return self._env.images

    @property
    def coverage(self) -> float:
        return self._env.coverage

    @property
    def done(self) -> bool:
        return self._env.done


class Compared:
    """A plan that also notes how far each new chunk lies from the one before it.

    apart: over the actions that are still to be played.
    """

    def __init__(self, plan: Plan, horizons: Horizons, delay_steps: int) -> None:
        self._plan, self._first = plan, horizons.now + delay_steps
        self.apart: list[Apart] = []

    def __call__(self, seen: Seen) -> Array:
        plans = self._plan(seen)
        if seen.before is not None:
            pairs = zip(seen.before[:, self._first :], plans[:, self._first :], strict=True)
            found = [actions_apart(old, new) for old, new in pairs]
            self.apart += [apart for apart in found if apart is not None]
        return plans
