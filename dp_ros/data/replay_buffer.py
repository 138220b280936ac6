"""The replay-buffer layout of diffusion_policy and UMI: a zarr v2 store, read and written.

    data/state    (N, D)  observations, all episodes end to end
    data/action   (N, A)  the action decided at each of them
    data/<camera> (N, H, W, 3) uint8  prepared frames (data/images.py), each a chunk of its own
    data/<other>  (N, ...)  anything else that is known of each step
    meta/episode_ends (E,)  index one past each episode's last step

Reading ignores the arrays that are not asked for. Frames are read by data/frames.py.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from numpy.typing import NDArray

from dp_ros.data import whole_folder
from dp_ros.task import ImageStream

Array = NDArray[np.float32]

ROWS_PER_CHUNK = 4096
STREAM = 'stream'
"""Attribute of a camera's array: what of a frame the policy sees, as `view` gives it."""

_FRAMES = numcodecs.Blosc('zstd', 3, numcodecs.Blosc.NOSHUFFLE)


class DatasetError(ValueError):
    """A data set cannot be used; the text names it, what was expected and what came."""


@dataclass(frozen=True)
class Episode:
    """One demonstration: state (L, D) and action (L, A), row for row.

    extra: further arrays (L, ...) by name; frames of a camera are (L, H, W, 3) uint8.
    start: index of its first step among all that were read together.
    """

    state: Array
    action: Array
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    start: int = 0

    def __len__(self) -> int:
        return len(self.state)


def view(stream: ImageStream) -> dict[str, Any]:
    """What decides how a frame of `stream` is prepared, as JSON values."""
    return {
        'width': stream.width,
        'height': stream.height,
        'crop': list(stream.box),
        'size': list(stream.size),
    }


def read(path: Path | str, state: str = 'state', action: str = 'action') -> list[Episode]:
    """Read every episode; raises DatasetError for anything that is not a whole, finite set."""
    states, actions, ends = arrays(path, f'data/{state}', f'data/{action}', 'meta/episode_ends')
    _check(Path(path), states, actions, ends.astype(np.int64))
    starts = np.concatenate([[0], ends[:-1]])
    states, actions = states.astype(np.float32), actions.astype(np.float32)
    return [
        Episode(states[a:b], actions[a:b], start=int(a)) for a, b in zip(starts, ends, strict=True)
    ]


def arrays(path: Path | str, *names: str) -> list[NDArray[Any]]:
    """The arrays `names` of a store, each whole; raises DatasetError."""
    path = Path(path)
    if not path.exists():
        raise DatasetError(f'{path}: no such data set')
    try:
        root = zarr.open_group(str(path), mode='r')
        return [_whole(root, name) for name in names]
    except DatasetError as error:
        raise DatasetError(f'{path}: {error}') from None
    except (KeyError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise DatasetError(
            f'{path} is not a replay buffer: expected a zarr group with {", ".join(names)} '
            f'({error})'
        ) from None


def shapes(path: Path | str) -> dict[str, tuple[int, ...]]:
    """Shape of each array under data/, by name; raises DatasetError."""
    try:
        data = zarr.open_group(str(path), mode='r', path='data')
        return {name: tuple(array.shape) for name, array in sorted(data.arrays())}
    except (KeyError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise DatasetError(f'{path} is not a replay buffer ({error})') from None


def write(
    path: Path | str, episodes: Iterable[Episode], cameras: tuple[ImageStream, ...] = ()
) -> int:
    """Write a store, whole or not at all, over an existing one. Returns the episode count.

    One episode is held in memory at a time. `cameras` describe the frames in `extra`.
    """
    with writing(Path(path), cameras) as store:
        for episode in episodes:
            store.append({'state': episode.state, 'action': episode.action, **episode.extra})
            store.end_episode()
    return len(store.ends)


class StoreWriter:
    """A store being written, a few steps at a time; `ends` are the episodes' ends so far."""

    def __init__(self, path: Path, root: zarr.Group, cameras: tuple[ImageStream, ...]) -> None:
        self._path, self._root, self._cameras = path, root, cameras
        self._data, self._meta = root.create_group('data'), root.create_group('meta')
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self._steps = 0
        self.ends: list[int] = []

    def append(self, rows: Mapping[str, NDArray[Any]]) -> None:
        """The next steps of the present episode: arrays (n, ...) by name; raises DatasetError."""
        if not self._arrays:
            self._arrays = {name: _create(self._data, name, rows[name]) for name in rows}
            for camera in self._cameras:
                self._arrays[camera.name].attrs[STREAM] = view(camera)
        length = len(next(iter(rows.values())))
        _append(self._path, self._arrays, rows, length)
        self._steps += length

    def end_episode(self) -> None:
        """What was appended since the last end is one episode."""
        self.ends.append(self._steps)

    def describe(self, name: str, value: Any) -> None:
        """An attribute of the whole store, of JSON values; reading ignores it."""
        self._root.attrs[name] = value

    def close(self) -> None:
        """Write where the episodes end; raises DatasetError if there is none."""
        if not self.ends:
            raise DatasetError(f'{self._path}: no episode to write')
        ends = _create(self._meta, 'episode_ends', np.zeros(0, np.int64))
        ends.append(np.array(self.ends, np.int64))


@contextmanager
def writing(
    path: Path, cameras: tuple[ImageStream, ...] = (), scratch: Path | None = None
) -> Iterator[StoreWriter]:
    """A store to be filled; it takes the place of `path` when the block ends well, else not.

    scratch: where it grows, on the disk of `path`; beside `path` if not given.
    """
    with whole_folder.replacing(path, scratch) as folder:
        root = zarr.open_group(str(folder), mode='w', zarr_format=2)
        store = StoreWriter(path, root, cameras)
        yield store
        store.close()


def _create(group: zarr.Group, name: str, values: NDArray[Any]) -> zarr.Array[Any]:
    """An array of no rows yet for rows like `values`."""
    frames = values.dtype == np.uint8 and values.ndim == 4
    settings: dict[str, Any] = {'compressors': _FRAMES} if frames else {}
    return group.create_array(
        name,
        shape=(0, *values.shape[1:]),
        chunks=(1 if frames else ROWS_PER_CHUNK, *values.shape[1:]),
        # Of what else is kept beside them, nothing is cut off: it may be a time.
        dtype='f4' if name in ('state', 'action') else values.dtype.str,
        # A chunk of nothing but zeros is written too: a missing one means that the store is
        # damaged.
        config={'write_empty_chunks': True},
        **settings,
    )


def _append(
    path: Path,
    open_arrays: dict[str, zarr.Array[Any]],
    rows: Mapping[str, NDArray[Any]],
    length: int,
) -> None:
    if rows.keys() != open_arrays.keys():
        raise DatasetError(
            f'{path}: an episode holds {sorted(rows)}, those before it {sorted(open_arrays)}'
        )
    for name, values in rows.items():
        array = open_arrays[name]
        wanted = (length, *array.shape[1:])
        if values.shape != wanted:
            raise DatasetError(
                f'{path}: an episode has {name} of the shape {values.shape}; expected {wanted}'
            )
        array.append(np.asarray(values, array.dtype))


def _array(root: zarr.Group, name: str) -> zarr.Array[Any]:
    array = root[name]
    if not isinstance(array, zarr.Array):
        raise KeyError(f'{name} is a group, not an array')
    return array


def _whole(root: zarr.Group, name: str) -> NDArray[Any]:
    """The array `name`; DatasetError if chunks of it are missing, which zarr reads as zeros."""
    array = _array(root, name)
    missing = array.nchunks - array.nchunks_initialized
    if missing:
        raise DatasetError(
            f'{missing} of {array.nchunks} chunks of {name} are missing. The copy is incomplete.'
        )
    return np.asarray(array[:])


def _check(
    path: Path, states: NDArray[Any], actions: NDArray[Any], ends: NDArray[np.int64]
) -> None:
    for name, rows in (('state', states), ('action', actions)):
        if rows.ndim != 2:
            raise DatasetError(
                f'{path}: data/{name} must have rows and columns; its shape is {rows.shape}'
            )
    if len(states) != len(actions):
        raise DatasetError(f'{path}: {len(states)} states against {len(actions)} actions')
    if len(ends) == 0 or np.any(np.diff(ends, prepend=0) <= 0) or ends[-1] != len(states):
        last = ends[-1] if len(ends) else 'none'
        raise DatasetError(
            f'{path}: episode_ends must rise to the number of rows, {len(states)}; last is {last}.'
            f' The set is truncated or mixed up.'
        )
    for name, rows in (('state', states), ('action', actions)):
        bad = np.flatnonzero(~np.isfinite(rows).reshape(len(rows), -1).all(axis=1))
        if len(bad):
            raise DatasetError(
                f'{path}: data/{name} is not finite in {len(bad)} rows, first {bad[0]}'
            )
