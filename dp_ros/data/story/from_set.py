"""The story of one episode of a data set (data/replay_buffer.py)."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr

from dp_ros.data import replay_buffer
from dp_ros.data.audit.conduct import POLICY, TELEOPERATED, Stretch
from dp_ros.data.dataset_part import OPERATOR
from dp_ros.data.pictures import Pixels
from dp_ros.data.provenance import built_for
from dp_ros.data.replay_buffer import DatasetError
from dp_ros.data.story.story import Curve, Story, unit_of
from dp_ros.task import Task

Array = np.ndarray[Any, Any]


def read(path: Path, number: int, count: int) -> Story:
    """Episode `number`, from 0 on, with `count` frames of each camera; raises DatasetError."""
    episodes = replay_buffer.read(path)
    if not 0 <= number < len(episodes):
        raise DatasetError(f'{path} has the episodes 0 to {len(episodes) - 1}; found {number}')
    episode = episodes[number]
    task = built_for(path)
    rate_hz, unit = (task.rate_hz, 's') if task else (1.0, 'steps')
    times = np.arange(len(episode)) / rate_hz
    stretches: tuple[Stretch, ...] = ()
    if OPERATOR in replay_buffer.shapes(path):
        (by_person,) = replay_buffer.arrays(path, f'data/{OPERATOR}')
        mode = TELEOPERATED if by_person[episode.start] else POLICY
        stretches = (Stretch(mode, 0.0, len(episode) / rate_hz),)
    return Story(
        title=f'{path.name}, episode {number} of {len(episodes)}',
        unit=unit,
        end=len(episode) / rate_hz,
        film=_film(path, episode.start, len(episode), count, rate_hz),
        panels=_panels(task, times, episode.state, episode.action, 1 / rate_hz),
        stretches=stretches,
    )


def frame(path: Path, camera: str, index: int) -> Pixels:
    """Frame `index`, counted over all episodes, of a camera of the set `path`."""
    frames: Any = zarr.open_group(str(path), mode='r')[f'data/{camera}']
    return np.asarray(frames[index], np.uint8)


def _film(
    path: Path, start: int, length: int, count: int, rate_hz: float
) -> dict[str, list[tuple[float, Pixels]]]:
    """Frames, evenly spaced, of each array that holds some."""
    places = ((np.arange(count) + 0.5) * length / count).astype(int)
    cameras = [n for n, s in replay_buffer.shapes(path).items() if len(s) == 4 and s[-1] == 3]
    return {
        camera: [
            (place / rate_hz, frame(path, camera, start + place))
            for place in np.unique(places).tolist()
        ]
        for camera in cameras
    }


def _panels(
    task: Task | None, times: Array, state: Array, action: Array, step: float
) -> dict[str, list[Curve]]:
    """A panel for each action, over the number of the state that bears its name, if any does."""
    if task is None:
        return {
            name: [Curve(f'{i}', times, column) for i, column in enumerate(rows.T)]
            for name, rows in (('state', state), ('action', action))
        }
    columns = [(s.name, component) for s in task.vectors for component in s.components]
    panels: dict[str, list[Curve]] = {}
    for i, name in enumerate(task.action.components):
        # The action of a step is due at the next one.
        panels[_title('action', name)] = [Curve('action', times + step, action[:, i], True)]
    for i, (stream, name) in enumerate(columns):
        together = _title('action', name)
        if stream not in ('tcp', 'joints') or together not in panels:
            together = _title(stream, name)
        panels.setdefault(together, []).insert(0, Curve(f'{stream} {name}', times, state[:, i]))
    return panels


def _title(what: str, component: str) -> str:
    unit = unit_of(component)
    return f'{what} {component} [{unit}]' if unit else f'{what} {component}'
