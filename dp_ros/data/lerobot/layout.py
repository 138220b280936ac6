"""The format LeRobotDataset v3: which files there are, and what stands in them.

    meta/info.json                      version, rate, features, templates of the paths
    meta/stats.json                     of each feature: min, max, mean, std, count
    meta/tasks.parquet                  what was to be done, by number
    meta/episodes/chunk-000/file-000.parquet   of each episode: its rows, files and statistics
    data/chunk-000/file-000.parquet     states, actions, extras; several episodes a file
    videos/<key>/chunk-000/file-000.mp4 frames of a camera; several episodes a file

As documented by LeRobot (docs/source/lerobot-dataset-v3.mdx) and read by its LeRobotDataset.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dp_ros.data.replay_buffer import STREAM, DatasetError, view
from dp_ros.task import ImageStream, Task

VERSION = 'v3.0'
INFO, STATS, TASKS = Path('meta/info.json'), Path('meta/stats.json'), Path('meta/tasks.parquet')
EPISODES = 'meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'
DATA = 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'
VIDEOS = 'videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4'

MB = 2**20

STATE, ACTION, FRAMES = 'observation.state', 'action', 'observation.images.'
BOOKKEEPING = {
    'timestamp': 'float32',
    'frame_index': 'int64',
    'episode_index': 'int64',
    'index': 'int64',
    'task_index': 'int64',
}
"""Features that every set has: time since the episode began [s], numbers of the row."""

PREPARED = f'dp_ros.{STREAM}'
"""Key of a camera's info: what of a frame the policy sees, as `replay_buffer.view` gives it."""

_CONVERT = (
    "python -m lerobot.scripts.convert_dataset_v21_to_v30 --repo-id=NAME --root='{path}' "
    '--push-to-hub=false'
)


@dataclass(frozen=True)
class Storage:
    """How a set is stored: when a new file is begun [MB, of 2^20 bytes], files in a folder.

    full_colour: colours as fine as the light, yuv444p. Frames as small as a policy's come out far
    closer, but not every browser plays such videos.
    """

    data_mb: float = 100
    video_mb: float = 200
    files: int = 1000
    full_colour: bool = False


@dataclass(frozen=True)
class Place:
    """Which file of its kind."""

    chunk: int = 0
    file: int = 0

    def next(self, files: int) -> 'Place':
        """The file after it, where a folder holds `files`."""
        full = self.file + 1 >= files
        return Place(self.chunk + 1, 0) if full else Place(self.chunk, self.file + 1)

    def path(self, template: str, key: str = '') -> Path:
        """Its path within the set."""
        return Path(template.format(video_key=key, chunk_index=self.chunk, file_index=self.file))


@dataclass(frozen=True)
class Info:
    """What meta/info.json says, as far as it is needed. features: by key."""

    fps: float
    features: Mapping[str, Mapping[str, Any]]
    data_path: str
    video_path: str

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of one row of a feature."""
        return tuple(map(int, self.features[key]['shape']))

    def names(self, key: str) -> tuple[str, ...]:
        """Names of a feature's columns; empty if it has none."""
        names = self.features[key].get('names')
        while isinstance(names, dict):  # some sets group them: {'motors': [...]}
            names = next(iter(names.values()), None)
        return tuple(map(str, names)) if isinstance(names, list) else ()

    def of_type(self, *types: str) -> tuple[str, ...]:
        """Keys of the features of some types."""
        return tuple(k for k, feature in self.features.items() if feature['dtype'] in types)


def is_lerobot(path: Path) -> bool:
    """Whether `path` looks like a LeRobotDataset, of whatever version."""
    return (path / INFO).is_file()


def load_info(path: Path) -> Info:
    """Read meta/info.json; raises DatasetError."""
    file = path / INFO
    try:
        found = json.loads(file.read_text(encoding='utf-8'))
        version = found['codebase_version']
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f'{path} is not a LeRobotDataset: expected {INFO} with a codebase_version '
            f'({type(error).__name__}: {error})'
        ) from None
    if version != VERSION:
        old = str(version).startswith('v2')
        convert = f' Convert it, in an environment with lerobot: {_CONVERT.format(path=path)}'
        raise DatasetError(
            f'{path} is a LeRobotDataset {version}; expected {VERSION}.{convert if old else ""}'
        )
    try:
        info = Info(
            float(found['fps']),
            {key: dict(feature) for key, feature in found['features'].items()},
            str(found['data_path']),
            str(found.get('video_path') or VIDEOS),
        )
        known = {key: (str(f['dtype']), info.shape(key)) for key, f in info.features.items()}
        paths = [Place().path(info.data_path)]
        paths += [Place().path(info.video_path, key) for key in known]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DatasetError(
            f'{file}: expected fps, data_path, and features with dtype and shape each '
            f'({type(error).__name__}: {error})'
        ) from None
    outside = [str(p) for p in paths if p.is_absolute() or '..' in p.parts]
    if outside:
        raise DatasetError(f'{file} tells of the file {outside[0]}, which is not in the set')
    return info


def vector_features(task: Task) -> dict[str, dict[str, Any]]:
    """The features of state and action: float32, one column for each component."""
    state = [f'{stream.name}.{c}' for stream in task.vectors for c in stream.components]
    action = list(task.action.components)
    return {
        STATE: {'dtype': 'float32', 'shape': [len(state)], 'names': state},
        ACTION: {'dtype': 'float32', 'shape': [len(action)], 'names': action},
    }


def video_feature(task: Task, camera: ImageStream, encoding: Mapping[str, Any]) -> dict[str, Any]:
    """The feature of a camera's frames; `encoding` says how they are compressed."""
    width, height = camera.size
    about = {
        'video.height': height,
        'video.width': width,
        'video.fps': rate(task),
        'video.channels': 3,
        'video.is_depth_map': False,
        'has_audio': False,
        **encoding,
        # Not LeRobot's: how these frames were made of the camera's.
        PREPARED: view(camera),
    }
    names = ['height', 'width', 'channels']
    return {'dtype': 'video', 'shape': [height, width, 3], 'names': names, 'info': about}


def rate(task: Task) -> float:
    """Steps a second, a whole number where it is one: LeRobot's fps is an integer."""
    return int(task.rate_hz) if task.rate_hz == int(task.rate_hz) else task.rate_hz


def parquet() -> Any:
    """The module pyarrow.parquet; ImportError with what to install."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise ImportError(
            "LeRobot's files need pyarrow, which is not installed: pip install 'dp_ros[lerobot]'"
        ) from None
    return pyarrow.parquet
