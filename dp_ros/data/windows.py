"""Training windows from episodes, with edge padding as in the paper's own sampler.

A window is anchored at a step t of its episode: observations t - T_o + 1 .. t and actions
t + first .. t + first + T_p - 1. Steps outside the episode repeat its first or last row. As in
Chi et al. 2023 the last anchor is the one whose actions overrun the episode by T_a - 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dp_ros.data.replay_buffer import DatasetError, Episode
from dp_ros.task import Horizons

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Windows:
    """observations (N, T_o, D) and actions (N, T_p, A)."""

    observations: Array
    actions: Array

    def __len__(self) -> int:
        return len(self.observations)


def sample_windows(episodes: list[Episode], horizons: Horizons) -> Windows:
    """Every window of every episode, in order."""
    observations, actions = [], []
    for episode in episodes:
        length = len(episode)
        overrun = horizons.action - 1
        last = max(length + overrun - (horizons.first + horizons.prediction), 0)
        anchors = np.arange(min(last, length - 1) + 1)[:, None]
        seen = anchors + np.arange(1 - horizons.observation, 1)
        done = anchors + horizons.first + np.arange(horizons.prediction)
        observations.append(episode.state[np.clip(seen, 0, length - 1)])
        actions.append(episode.action[np.clip(done, 0, length - 1)])
    return Windows(np.concatenate(observations), np.concatenate(actions))


def split_episodes(
    episodes: list[Episode], fraction: float, seed: int
) -> tuple[list[Episode], list[Episode]]:
    """Training and validation episodes; whole ones, so that no window leaks into validation."""
    if len(episodes) < 2:
        raise DatasetError(
            f'{len(episodes)} episode cannot be split into training and validation; record more'
        )
    count = min(max(1, round(fraction * len(episodes))), len(episodes) - 1)
    held_out = set(np.random.default_rng(seed).permutation(len(episodes))[:count].tolist())
    training = [e for i, e in enumerate(episodes) if i not in held_out]
    return training, [e for i, e in enumerate(episodes) if i in held_out]
