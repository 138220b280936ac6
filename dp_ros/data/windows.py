"""Training windows from episodes, with edge padding as in the paper's own sampler.

A window is anchored at a step t of its episode: observations t - T_o + 1 .. t and actions
t + first .. t + first + T_p - 1. Steps outside the episode repeat its first or last row. As in
Chi et al. 2023 the last anchor is the one whose actions overrun the episode by T_a - 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dp_ros.data.frames import FrameStore, HeldFrames
from dp_ros.data.recordings import Recordings
from dp_ros.data.replay_buffer import DatasetError, Episode
from dp_ros.task import Horizons

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """vector (B, T_o, D), actions (B, T_p, A), images[camera] (B, T_o, H, W, 3) uint8."""

    vector: Array
    actions: Array
    images: dict[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class Windows:
    """observations (N, T_o, D) and actions (N, T_p, A), in memory; images are read when asked for.

    steps: (N, T_o), index of each observation among all steps that were read together; frames and
    extra (rows (M, k)) are read by it. later: (N, T_p - T_o, D), what was observed after the
    anchor; None where it is not known.
    """

    observations: Array
    actions: Array
    steps: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    frames: Mapping[str, FrameStore | HeldFrames] = field(default_factory=dict)
    extra: Mapping[str, Array] = field(default_factory=dict)
    later: Array | None = None

    def __len__(self) -> int:
        return len(self.observations)

    def batch(self, rows: ArrayLike) -> Batch:
        """The windows `rows` (B,) with their frames; DatasetError if one of them is damaged."""
        index = np.asarray(rows, np.int64)
        images = {name: store.read(self.steps[index]) for name, store in self.frames.items()}
        return Batch(self.observations[index], self.actions[index], images)

    def targets(self, name: str) -> Array:
        """The extra array `name` at each window's anchor, (N, k)."""
        if name not in self.extra:
            raise KeyError(f'the windows were made without {name!r}; they have {list(self.extra)}')
        return self.extra[name][self.steps[:, -1]]


def sample_windows(
    episodes: Sequence[Episode], horizons: Horizons, recordings: Recordings | None = None
) -> Windows:
    """Every window of every episode, in order; with the frames and extras of `recordings`."""
    observations, actions, steps, later = [], [], [], []
    ahead = np.arange(1, horizons.prediction - horizons.observation + 1)
    for episode in episodes:
        length = len(episode)
        overrun = horizons.action - 1
        last = max(length + overrun - (horizons.first + horizons.prediction), 0)
        anchors = np.arange(min(last, length - 1) + 1)[:, None]
        seen = np.clip(anchors + np.arange(1 - horizons.observation, 1), 0, length - 1)
        done = anchors + horizons.first + np.arange(horizons.prediction)
        observations.append(episode.state[seen])
        actions.append(episode.action[np.clip(done, 0, length - 1)])
        steps.append(episode.start + seen)
        later.append(episode.state[np.clip(anchors + ahead, 0, length - 1)])
    made = np.concatenate(observations), np.concatenate(actions), np.concatenate(steps)
    after = np.concatenate(later)
    if recordings is None:
        return Windows(*made, later=after)
    return Windows(*made, recordings.frames, recordings.extra, after)


def split_episodes(
    episodes: Sequence[Episode], fraction: float, seed: int
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
