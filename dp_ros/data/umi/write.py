"""A data set as others read it: a replay buffer of diffusion_policy, or one with UMI's names.

diffusion_policy's layout is our own (data/replay_buffer.py). For UMI the pose of the tool is told
as robot0_eef_pos (N, 3) [m] and robot0_eef_rot_axis_angle (N, 3) [rad], the action as both in one
row, the frames as camera0_rgb, camera1_rgb in task order. Components of the pose that the task
does not see are those that its action holds fixed. A path that ends in .zip gets a zip file.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dp_ros import atomic
from dp_ros.data import replay_buffer
from dp_ros.data.replay_buffer import DatasetError, Episode
from dp_ros.data.umi import names as umi_names
from dp_ros.data.umi.names import POSE
from dp_ros.task import CartesianAction, PoseStream, Task

Rows = dict[str, NDArray[Any]]


def write_diffusion_policy(path: Path, episodes: Iterable[Episode], task: Task) -> int:
    """Write `state`, `action`, each camera and all else under its own name; count of episodes."""

    def rows(episode: Episode) -> Rows:
        return {'state': episode.state, 'action': episode.action, **episode.extra}

    return _write(path, episodes, rows, task)


def write_umi(path: Path, episodes: Iterable[Episode], task: Task) -> int:
    """Write a set with UMI's names; raises DatasetError if the task's poses are not whole."""
    tool = _tool(task)
    action = task.action
    if not isinstance(action, CartesianAction):
        raise DatasetError(
            f'UMI keeps poses of the tool; the actions of task {task.name!r} are joint positions. '
            f'Export it as diffusion_policy or lerobot.'
        )
    columns = _columns(task)
    names = {camera.name: umi_names.frames(i) for i, camera in enumerate(task.cameras)}

    def rows(episode: Episode) -> Rows:
        pose = _pose(episode.state[:, columns[tool.name]], tool.components, action.fixed)
        found: Rows = {
            umi_names.POSITION: pose[:, :3],
            umi_names.ROTATION: pose[:, 3:],
            umi_names.START: np.repeat(pose[:1], len(pose), axis=0),
            umi_names.END: np.repeat(pose[-1:], len(pose), axis=0),
            'action': _pose(episode.action, action.components, action.fixed),
        }
        for stream in task.vectors:
            if stream.name != tool.name:
                key = umi_names.WIDTH if umi_names.is_gripper(stream) else stream.name
                found[key] = episode.state[:, columns[stream.name]]
        return found | {names.get(key, key): value for key, value in episode.extra.items()}

    return _write(path, episodes, rows, task, names)


def _write(
    path: Path,
    episodes: Iterable[Episode],
    rows: Callable[[Episode], Rows],
    task: Task,
    names: dict[str, str] | None = None,
) -> int:
    """Write whole or not at all; `names` of the cameras' arrays, their own if not given."""
    cameras = tuple(
        camera.model_copy(update={'name': (names or {}).get(camera.name, camera.name)})
        for camera in task.cameras
    )
    if path.suffix == '.zip':
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=f'.{path.name}-'))
        try:
            count = _fill(scratch / path.stem, episodes, rows, cameras)
            with atomic.replacing(path) as temporary:
                _zip(scratch / path.stem, temporary)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return count
    return _fill(path, episodes, rows, cameras)


def _fill(
    path: Path,
    episodes: Iterable[Episode],
    rows: Callable[[Episode], Rows],
    cameras: tuple[Any, ...],
) -> int:
    with replay_buffer.writing(path, cameras) as store:
        for episode in episodes:
            store.append(rows(episode))
            store.end_episode()
    return len(store.ends)


def _zip(folder: Path, path: Path) -> None:
    """The files of a zarr folder, uncompressed (their chunks are), as zarr's own zip store."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED, allowZip64=True) as archive:
        for file in sorted(folder.rglob('*')):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())


def _tool(task: Task) -> PoseStream:
    """The stream of the tool's poses."""
    found = umi_names.tool(task)
    if found is None:
        poses = [stream.name for stream in task.vectors if isinstance(stream, PoseStream)]
        raise DatasetError(
            f'UMI keeps poses of one tool; task {task.name!r} has the pose streams '
            f'{", ".join(poses) or "none"} and none that is named tcp'
        )
    return found


def _columns(task: Task) -> dict[str, slice]:
    """Where each stream stands in the state."""
    ends = np.cumsum([len(stream.components) for stream in task.vectors]).tolist()
    return {
        stream.name: slice(end - len(stream.components), end)
        for stream, end in zip(task.vectors, ends, strict=True)
    }


def _pose(
    values: NDArray[np.float32], components: tuple[str, ...], fixed: dict[str, float]
) -> NDArray[np.float32]:
    """Components (L, k) -> whole poses (L, 6) as POSE has them."""
    unknown = sorted(set(components) - set(POSE)) + sorted(set(POSE) - {*components, *fixed})
    if unknown:
        raise DatasetError(
            f'UMI keeps poses as {" ".join(POSE)}; the task has {" ".join(components)} and holds '
            f'{" ".join(sorted(fixed)) or "none"} fixed. Export it as diffusion_policy or lerobot.'
        )
    whole = np.empty((len(values), len(POSE)), np.float32)
    for column, name in enumerate(POSE):
        given = name in components
        whole[:, column] = values[:, components.index(name)] if given else fixed[name]
    return whole
