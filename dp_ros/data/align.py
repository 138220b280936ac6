"""Hindsight goals for Push-T demonstrations (after Andrychowicz et al. 2017).

People stop when the block lies about right, a few millimetres and degrees off, so a policy that
imitates them stops there as well. But every demonstration is a perfect one for the place where
the block did come to rest. Moved rigidly, so that this place is the goal, it teaches the precision
that the person did not show.
"""

import numpy as np
from numpy.typing import NDArray

from dp_ros.data.replay_buffer import DatasetError, Episode


def align_to_goal(
    episode: Episode, end: NDArray[np.float64], goal: NDArray[np.float64]
) -> Episode:
    """The episode, turned and shifted in the plane so that the block pose `end` becomes `goal`.

    Expects states of tip x y, block x y yaw and actions of tip x y, in one unit of length; `end`
    is where the block came to rest after the last action, (3,) x y yaw.
    """
    if episode.state.shape[1] != 5 or episode.action.shape[1] != 2:
        raise DatasetError(
            f'aligning needs states (tip x, tip y, block x, block y, block yaw) and actions '
            f'(tip x, tip y); found {episode.state.shape[1]} and {episode.action.shape[1]} columns'
        )
    turn = goal[2] - end[2]
    cosine, sine = np.cos(turn), np.sin(turn)
    rotation = np.array([[cosine, -sine], [sine, cosine]])

    def moved(points: NDArray[np.floating]) -> NDArray[np.floating]:
        return (points - end[:2]) @ rotation.T + goal[:2]

    state = np.concatenate(
        [moved(episode.state[:, :2]), moved(episode.state[:, 2:4]), episode.state[:, 4:] + turn],
        axis=1,
    )
    return Episode(state.astype(np.float32), moved(episode.action).astype(np.float32))
