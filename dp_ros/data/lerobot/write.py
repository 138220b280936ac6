"""Episodes of a task to a LeRobotDataset v3; whole or not at all, one episode in memory."""

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from dp_ros.data import whole_folder
from dp_ros.data.lerobot import layout as lerobot
from dp_ros.data.lerobot import tables as lerobot_tables
from dp_ros.data.lerobot.layout import Place, Storage
from dp_ros.data.lerobot.stats import Stats
from dp_ros.data.lerobot.tables import Columns, DataFiles
from dp_ros.data.lerobot.video import VideoFiles, encoding
from dp_ros.data.replay_buffer import DatasetError, Episode
from dp_ros.task import Task


def write(
    path: Path, episodes: Iterable[Episode], task: Task, storage: Storage | None = None
) -> int:
    """Write a set over an existing one, and return the count of episodes; raises DatasetError.

    LeRobot's times are those of the grid, number / rate; what else is known of each step, such as
    the stamps, becomes a feature of its own name. LeRobot does not tell (L, 1) from (L,).
    """
    lerobot.parquet()
    with whole_folder.replacing(path) as folder, ExitStack() as stack:
        writer = _Writer(folder, task, storage or Storage(), stack)
        for episode in episodes:
            try:
                writer.add(episode)
            except DatasetError as error:
                raise DatasetError(f'{path}: {error}') from None
        stack.close()
        if not writer.episodes:
            raise DatasetError(f'{path}: no episode to write')
        writer.finish()
    return len(writer.episodes)


class _Writer:
    """A set under `folder` that grows by episodes; its files are closed by `stack`."""

    def __init__(self, folder: Path, task: Task, storage: Storage, stack: ExitStack) -> None:
        self._folder, self._task, self._storage = folder, task, storage
        self._data = DataFiles(folder, storage)
        stack.callback(self._data.close)
        self._videos: dict[str, VideoFiles] = {}
        for camera in task.cameras:
            key = f'{lerobot.FRAMES}{camera.name}'
            files = VideoFiles(folder, key, camera.size, task.rate_hz, storage)
            self._videos[camera.name] = files
            stack.callback(files.close)
        self._features: dict[str, dict[str, Any]] = {}
        self._stats: dict[str, Stats] = {}
        self._steps = 0
        self.episodes: list[dict[str, Any]] = []

    def add(self, episode: Episode) -> None:
        columns = self._columns(episode)
        number, first, end = len(self.episodes), self._steps, self._steps + len(episode)
        self._describe(columns)
        place = self._data.add(columns)
        about: dict[str, Any] = {
            'episode_index': number,
            'tasks': [_text(self._task)],
            'length': len(episode),
            'data/chunk_index': place.chunk,
            'data/file_index': place.file,
            'dataset_from_index': first,
            'dataset_to_index': end,
        }
        stats = {key: Stats.of_rows(rows) for key, rows in columns.items()}
        for camera, files in self._videos.items():
            key, frames = f'{lerobot.FRAMES}{camera}', episode.extra[camera]
            span = files.add(frames)
            about[f'videos/{key}/chunk_index'] = span.place.chunk
            about[f'videos/{key}/file_index'] = span.place.file
            about[f'videos/{key}/from_timestamp'] = span.start_s
            about[f'videos/{key}/to_timestamp'] = span.end_s
            stats[key] = Stats.of_frames(frames)
        for key, found in stats.items():
            about |= {f'stats/{key}/{name}': value for name, value in found.plain().items()}
            self._stats[key] = self._stats[key] | found if key in self._stats else found
        about |= {'meta/episodes/chunk_index': 0, 'meta/episodes/file_index': 0}
        self.episodes.append(about)
        self._steps = end

    def finish(self) -> None:
        """Write what stands under meta/."""
        info = {
            'codebase_version': lerobot.VERSION,
            'robot_type': None,
            'total_episodes': len(self.episodes),
            'total_frames': self._steps,
            'total_tasks': 1,
            'chunks_size': self._storage.files,
            'data_files_size_in_mb': self._storage.data_mb,
            'video_files_size_in_mb': self._storage.video_mb,
            'fps': lerobot.rate(self._task),
            'splits': {'train': f'0:{len(self.episodes)}'},
            'data_path': lerobot.DATA,
            'video_path': lerobot.VIDEOS if self._videos else None,
            'features': self._features,
        }
        stats = {key: found.plain() for key, found in self._stats.items()}
        _write_json(self._folder / lerobot.INFO, info)
        _write_json(self._folder / lerobot.STATS, stats)
        lerobot_tables.write_tasks(self._folder / lerobot.TASKS, _text(self._task))
        file = self._folder / Place().path(lerobot.EPISODES)
        lerobot_tables.write_episodes(file, self.episodes)

    def _columns(self, episode: Episode) -> Columns:
        """What goes into the table: vectors, extras, bookkeeping; checked against the task."""
        length, cameras = len(episode), {camera.name: camera for camera in self._task.cameras}
        extra = {key: rows for key, rows in episode.extra.items() if key not in cameras}
        clash = sorted(set(extra) & {lerobot.STATE, lerobot.ACTION, *lerobot.BOOKKEEPING})
        if clash:
            raise DatasetError(f'{clash[0]} is a name of LeRobot; rename this array of the set')
        numbers = np.arange(length)
        columns = {
            lerobot.STATE: np.asarray(episode.state, np.float32),
            lerobot.ACTION: np.asarray(episode.action, np.float32),
            **extra,
            'timestamp': (numbers / self._task.rate_hz).astype(np.float32),
            'frame_index': numbers,
            'episode_index': np.full(length, len(self.episodes)),
            'index': self._steps + numbers,
            'task_index': np.zeros(length, np.int64),
        }
        shapes = {key: (length, *rows.shape[1:]) for key, rows in columns.items()}
        shapes[lerobot.STATE] = (length, self._task.observation_dim)
        shapes[lerobot.ACTION] = (length, self._task.action_dim)
        frames = {name: episode.extra.get(name) for name in cameras}
        shapes |= {name: (length, *camera.size[::-1], 3) for name, camera in cameras.items()}
        for key, rows in {**columns, **frames}.items():
            found = None if rows is None else rows.shape
            if found != shapes[key]:
                raise DatasetError(
                    f'an episode has {key} of the shape {found}; expected {shapes[key]}'
                )
        return columns

    def _describe(self, columns: Columns) -> None:
        """Take down the features; those of the first episode hold for all."""
        if self._features:
            return
        known = lerobot.vector_features(self._task)
        for key, rows in columns.items():
            shape = list(rows.shape[1:]) or [1]
            plain = {'dtype': rows.dtype.name, 'shape': shape, 'names': None}
            self._features[key] = known.get(key, plain)
        for camera in self._task.cameras:
            about = lerobot.video_feature(self._task, camera, encoding(camera.size, self._storage))
            self._features[f'{lerobot.FRAMES}{camera.name}'] = about


def _text(task: Task) -> str:
    """What was to be done, in words."""
    return task.description or task.name


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=4, ensure_ascii=False), encoding='utf-8')
