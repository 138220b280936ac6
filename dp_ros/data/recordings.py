"""Several replay buffers, read together for one task."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dp_ros.data import replay_buffer
from dp_ros.data.frames import FrameStore, HeldFrames
from dp_ros.data.provenance import require_rows
from dp_ros.data.replay_buffer import DatasetError, Episode
from dp_ros.task import Task

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Recordings:
    """Episodes, and what belongs to their steps by index (Episode.start and on).

    frames: by camera, on disk. extra: arrays (N, k) by name, flattened.
    """

    episodes: list[Episode]
    frames: dict[str, FrameStore | HeldFrames] = field(default_factory=dict)
    extra: dict[str, Array] = field(default_factory=dict)


def read(
    paths: Sequence[Path | str], task: Task, extra: Sequence[str] = (), in_memory: bool = False
) -> Recordings:
    """The stores `paths` end to end, with the frames of the task's cameras and arrays `extra`.

    Raises DatasetError for a set that is damaged or does not fit the task.
    """
    episodes: list[Episode] = []
    rows: dict[str, list[Array]] = {name: [] for name in extra}
    for path in paths:
        found = replay_buffer.read(path)
        columns = (found[0].state.shape[1], found[0].action.shape[1])
        if columns != (task.observation_dim, task.action_dim):
            raise DatasetError(
                f'{path} has {columns[0]} state and {columns[1]} action columns; task '
                f'{task.name!r} expects {task.observation_dim} and {task.action_dim}'
            )
        require_rows(path, task)
        before = episodes[-1].start + len(episodes[-1]) if episodes else 0
        episodes += [replace(episode, start=before + episode.start) for episode in found]
        length = sum(map(len, found))
        for name in extra:
            (values,) = replay_buffer.arrays(path, f'data/{name}')
            if len(values) != length:
                raise DatasetError(f'{path}: {len(values)} rows of {name}, {length} of the state')
            rows[name].append(values.reshape(length, -1).astype(np.float32))
    stores: dict[str, FrameStore | HeldFrames] = {}
    for camera in task.cameras:
        store = FrameStore(paths, camera)
        length = episodes[-1].start + len(episodes[-1])
        if len(store) != length:
            raise DatasetError(
                f'{[str(path) for path in paths]}: {len(store)} frames of camera '
                f'{camera.name!r}, {length} rows of the state'
            )
        stores[camera.name] = store.held() if in_memory else store
    return Recordings(episodes, stores, {n: np.concatenate(parts) for n, parts in rows.items()})
