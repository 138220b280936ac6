"""Push-T as gym-pusht simulates it: the benchmark of Chi et al. 2023, from state.

Lengths in pixels of a 512 x 512 square. Needs the extra `pusht` (gym-pusht).
"""

import os
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SUCCESS_COVERAGE = 0.95
GOAL_POSE = np.array([256.0, 256.0, np.pi / 4])
SETTLE_STEPS = 3


class GymPushT:
    """Environment (sim/rollout.py) over gym_pusht/PushT-v0.

    Observation (5,): agent x, y, block x, y, angle; action (2,): agent target x, y.
    """

    rate_hz = 10.0
    max_steps = 300
    images: Mapping[str, NDArray[np.uint8]] = MappingProxyType({})

    def __init__(self) -> None:
        # pygame opens a window at import unless it is told that there is none.
        os.environ.setdefault('SDL_VIDEODRIVER', 'dummy')
        os.environ.setdefault('PYGAME_HIDE_SUPPORT_PROMPT', '1')
        try:
            from gym_pusht.envs import PushTEnv
        except ImportError as error:
            raise ImportError(
                'gym-pusht is missing; install it with: '
                "pip install -c constraints.txt -e '.[pusht]'"
            ) from error
        self._env = PushTEnv(obs_type='state', render_mode='rgb_array')
        self._coverage = 0.0

    def reset(self, seed: int) -> Array:
        """A random start, the one gym-pusht draws for `seed`."""
        state, _ = self._env.reset(seed=seed)
        self._coverage = 0.0
        return np.asarray(state, dtype=float)

    def step(self, action: Array) -> Array:
        """Move the agent towards `action` (2,) for one tenth of a second."""
        state, _, _, _, info = self._env.step(np.asarray(action, dtype=float))
        self._coverage = float(info['coverage'])
        return np.asarray(state, dtype=float)

    @property
    def coverage(self) -> float:
        """Share of the goal that the block covers now."""
        return self._coverage

    @property
    def done(self) -> bool:
        """Whether the episode is over: covered as gym-pusht asks."""
        return self._coverage > SUCCESS_COVERAGE

    def rest_pose(self, state: NDArray[np.floating], actions: NDArray[np.floating]) -> Array:
        """Block pose (3,) x, y, angle after playing `actions` (n, 2) from `state` (5,).

        The last action is kept for three more steps, so that the agent arrives where it was sent.
        """
        last = self.place(state)
        for action in np.concatenate([actions, np.repeat(actions[-1:], SETTLE_STEPS, axis=0)]):
            last = self.step(action)
        return last[2:]

    def place(self, state: NDArray[np.floating]) -> Array:
        """Start from `state` (5,), the agent at rest; returns it as observation."""
        self._env.reset(seed=0)
        # The agent at rest, the block where the recording says. The angle comes first: pymunk
        # turns a body about its centre of gravity, which moves the position.
        self._env.agent.position = tuple(state[:2])
        self._env.agent.velocity = (0.0, 0.0)
        self._env.block.angle = float(state[4])
        self._env.block.position = tuple(state[2:4])
        self._env.space.step(1e-9)
        self._coverage = float(self._env._get_coverage())
        return np.asarray(self._env.get_obs(), dtype=float)
