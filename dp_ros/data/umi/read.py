"""Replay buffers of diffusion_policy and of the Universal Manipulation Interface, read.

Both keep arrays (N, ...) of any names under data/ and the episodes' ends in meta/episode_ends, in
a folder or, as UMI does, in a .zarr.zip. UMI's names: robot0_eef_pos, robot0_eef_rot_axis_angle,
robot0_gripper_width, robot0_demo_start_pose, robot0_demo_end_pose, camera0_rgb (JPEG XL).
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import ZipStore

from dp_ros.data.foreign import Contents, Defaults, Plan, Reading, as_the_policy_sees, plan
from dp_ros.data.key_map import KeyMap, Source
from dp_ros.data.replay_buffer import STREAM, DatasetError, Episode
from dp_ros.data.umi import names as umi_names
from dp_ros.task import ImageStream, Task

DEFAULTS = Defaults(Source('state'), Source('action'))
FRAMES_AT_ONCE = 32

_DAMAGED = (KeyError, OSError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile)


def is_replay_buffer(path: Path) -> bool:
    """Whether `path` looks like one: a zarr group, in a folder or a zip file."""
    roots = ('.zgroup', 'zarr.json')
    if path.is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name in archive.namelist() for name in roots)
    return any((path / name).is_file() for name in roots)


def read(
    path: Path, task: Task, given: KeyMap | None = None, next_actions: bool = False
) -> Reading:
    """The episodes of a replay buffer for `task`; raises DatasetError, then or while reading."""
    streams = {stream.name for stream in task.vectors}
    with _opened(path) as root:
        arrays = _arrays(path, root)
        ends = _ends(path, root, {name: array.shape[0] for name, array in arrays.items()})
        contents = Contents(
            {k: tuple(a.shape[1:]) for k, a in arrays.items() if _is_numbers(a)},
            {k for k, a in arrays.items() if _is_images(a)},
        )
    given = dict(given or {})
    guessed = umi_names.guess(task, arrays, next_actions)
    if 'state' in given:
        guessed = {name: s for name, s in guessed.items() if name not in streams}
    try:
        chosen = plan(task, contents, DEFAULTS, guessed | given, next_actions)
    except DatasetError as error:
        poses_only = 'action' not in arrays and umi_names.POSITION in arrays and not next_actions
        hint = ' UMI records poses and no actions: add --next-actions.' if poses_only else ''
        raise DatasetError(f'{path}: {error}.{hint}' if hint else f'{path}: {error}') from None
    unknown = tuple(key for key in arrays if key not in {*contents.numbers, *contents.images})
    return Reading(
        len(ends), _episodes(path, task, chosen, ends), tuple(sorted((*chosen.left_out, *unknown)))
    )


def _episodes(path: Path, task: Task, chosen: Plan, ends: NDArray[np.int64]) -> Iterator[Episode]:
    cameras = {camera.name: camera for camera in task.cameras}
    with _opened(path) as root:
        arrays = _arrays(path, root)
        for key in (*chosen.numbers, *chosen.cameras.values()):
            _check_whole(path, key, arrays[key])
        start = 0
        for end in ends.tolist():
            try:
                rows = {key: np.asarray(arrays[key][start:end]) for key in chosen.numbers}
                frames = {
                    name: _prepared(arrays[key], key, cameras[name], start, end)
                    for name, key in chosen.cameras.items()
                }
                yield chosen.episode(rows, frames, start)
            except DatasetError as error:
                raise DatasetError(f'{path}: {error}') from None
            except _DAMAGED as error:
                raise DatasetError(
                    f'{path}: rows {start} to {end} cannot be read ({error}). The copy is damaged.'
                ) from None
            start = end


def _prepared(
    array: zarr.Array[Any], key: str, camera: ImageStream, start: int, end: int
) -> NDArray[np.uint8]:
    """Rows `start` to `end` of the frames, as the policy sees them, (L, H, W, 3)."""
    frames = _frames(array, start, end)
    made_by = array.attrs.get(STREAM)
    return np.stack(list(as_the_policy_sees(frames, camera, f'data/{key}', made_by)))


def _frames(array: zarr.Array[Any], start: int, end: int) -> Iterator[NDArray[np.uint8]]:
    """The frames of rows `start` to `end`; a few are held at a time."""
    for first in range(start, end, FRAMES_AT_ONCE):
        yield from np.asarray(array[first : min(first + FRAMES_AT_ONCE, end)])


@contextmanager
def _opened(path: Path) -> Iterator[zarr.Group]:
    if not path.exists():
        raise DatasetError(f'{path}: no such data set')
    store: Any = str(path)
    try:
        if path.is_file():
            store = ZipStore(str(path), mode='r')
        root = zarr.open_group(store, mode='r')
    except _DAMAGED as error:
        raise DatasetError(
            f'{path} is not a replay buffer: expected a zarr group, a folder or a .zarr.zip '
            f'({error})'
        ) from None
    try:
        yield root
    finally:
        if isinstance(store, ZipStore):
            store.close()


def _arrays(path: Path, root: zarr.Group) -> dict[str, zarr.Array[Any]]:
    """The arrays under data/, by name."""
    try:
        data = root['data']
        if not isinstance(data, zarr.Group):
            raise KeyError('data is an array')
        found = _with_codecs(data)
    except DatasetError as error:
        raise DatasetError(f'{path}: {error}') from None
    except _DAMAGED as error:
        raise DatasetError(
            f'{path} is not a replay buffer: expected a group data with the arrays ({error})'
        ) from None
    empty = [name for name, array in found.items() if array.ndim == 0]
    if empty:
        raise DatasetError(f'{path}: data/{empty[0]} is a single value; expected a row a step')
    return found


def _with_codecs(data: zarr.Group) -> dict[str, zarr.Array[Any]]:
    """The arrays of a group; image codecs are looked for if one of them needs them."""
    try:
        return dict(data.arrays())
    except ValueError as error:
        if 'imagecodecs' not in str(error):
            raise
    try:
        from imagecodecs.numcodecs import register_codecs
    except ImportError:
        raise DatasetError(
            'its frames are compressed by imagecodecs (UMI uses JPEG XL), which is not installed: '
            "pip install 'dp_ros[umi]'"
        ) from None
    register_codecs(verbose=False)
    return dict(data.arrays())


def _ends(path: Path, root: zarr.Group, lengths: dict[str, int]) -> NDArray[np.int64]:
    try:
        array = root['meta/episode_ends']
        if not isinstance(array, zarr.Array):
            raise KeyError('it is a group')
        _check_whole(path, 'meta/episode_ends', array)
        ends = np.asarray(array[:]).astype(np.int64)
    except DatasetError:
        raise
    except _DAMAGED as error:
        raise DatasetError(
            f'{path} is not a replay buffer: expected meta/episode_ends ({error})'
        ) from None
    if ends.ndim != 1 or len(ends) == 0 or np.any(np.diff(ends, prepend=0) <= 0):
        raise DatasetError(f'{path}: meta/episode_ends must rise from episode to episode')
    for key, length in lengths.items():
        if length != ends[-1]:
            raise DatasetError(
                f'{path}: data/{key} has {length} rows; the episodes end at {ends[-1]}. The set '
                f'is truncated or mixed up.'
            )
    return ends


def _check_whole(path: Path, key: str, array: zarr.Array[Any]) -> None:
    """DatasetError if chunks are missing, which zarr reads as zeros."""
    missing = array.nchunks - array.nchunks_initialized
    if missing:
        raise DatasetError(
            f'{path}: {missing} of {array.nchunks} chunks of {key} are missing. The copy is '
            f'incomplete.'
        )


def _is_images(array: zarr.Array[Any]) -> bool:
    return array.ndim == 4


def _is_numbers(array: zarr.Array[Any]) -> bool:
    return array.ndim < 4 and array.dtype.kind in 'biuf'
