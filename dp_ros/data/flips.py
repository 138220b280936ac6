"""Rotation vectors that jump by a turn where the tool hardly turned: no numbers to learn from.

A tool that points down is about half a turn from the base, where the shortest rotation vector
changes its sign. What lies between two such vectors is a rotation of nothing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dp_ros.data.replay_buffer import DatasetError
from dp_ros.task import SIX, CartesianAction, Task

VECTOR = ('rx', 'ry', 'rz')
Numbers = NDArray[np.floating[Any]]


class Flips:
    """`check` two steps that follow each other."""

    def __init__(self, task: Task) -> None:
        self._state: list[list[int]] = []
        begin = 0
        for stream in task.vectors:
            self._state.append([begin + i for i in _places(stream.components)])
            begin += len(stream.components)
        poses = isinstance(task.action, CartesianAction)
        self._action = [_places(task.action.components)] if poses else []

    def check(
        self,
        before: tuple[Numbers, Numbers],
        now: tuple[Numbers, Numbers],
    ) -> None:
        """State (D,) and action (A,) of each; raises DatasetError."""
        for what, columns, old, new in zip(
            ('observed', 'commanded'), (self._state, self._action), before, now, strict=True
        ):
            for place in columns:
                leap = float(np.linalg.norm(new[place] - old[place])) if place else 0.0
                if leap > np.pi:
                    raise DatasetError(
                        f'the {what} rotation vector leaps by {leap:.2f} rad within a step, where '
                        f'it changes its sign half a turn from the base: give the task components '
                        f'{", ".join(SIX)} (two columns of the rotation matrix) instead of '
                        f'{", ".join(VECTOR)}, or hold them fixed'
                    )


def _places(components: Sequence[str]) -> list[int]:
    """Where the rotation vector stands; nowhere unless it is whole."""
    if not set(VECTOR) <= set(components):
        return []
    return [list(components).index(name) for name in VECTOR]
