"""The replay-buffer layout of diffusion_policy and UMI: a zarr v2 store, read and written.

    data/state   (N, D)  observations, all episodes end to end
    data/action  (N, A)  the action decided at each of them
    meta/episode_ends (E,)  index one past each episode's last step

Further arrays under data/ (img, keypoint ...) are left alone.
"""

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

Array = NDArray[np.float32]


class DatasetError(ValueError):
    """A data set cannot be used; the text names it, what was expected and what came."""


@dataclass(frozen=True)
class Episode:
    """One demonstration: state (L, D) and action (L, A), row for row."""

    state: Array
    action: Array

    def __len__(self) -> int:
        return len(self.state)


def read(path: Path | str, state: str = 'state', action: str = 'action') -> list[Episode]:
    """Read every episode; raises DatasetError for anything that is not a whole, finite set."""
    path = Path(path)
    if not path.exists():
        raise DatasetError(f'{path}: no such data set')
    try:
        root = zarr.open_group(str(path), mode='r')
        states = _whole(root, f'data/{state}').astype(np.float32)
        actions = _whole(root, f'data/{action}').astype(np.float32)
        ends = _whole(root, 'meta/episode_ends').astype(np.int64)
    except DatasetError as error:
        raise DatasetError(f'{path}: {error}') from None
    except (KeyError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise DatasetError(
            f'{path} is not a replay buffer: expected a zarr group with data/{state}, '
            f'data/{action} and meta/episode_ends ({error})'
        ) from None
    _check(path, states, actions, ends)
    starts = np.concatenate([[0], ends[:-1]])
    return [Episode(states[a:b], actions[a:b]) for a, b in zip(starts, ends, strict=True)]


def write(path: Path | str, episodes: Iterable[Episode]) -> int:
    """Write a store, whole or not at all, over an existing one. Returns the episode count."""
    path = Path(path)
    episodes = list(episodes)
    if not episodes:
        raise DatasetError(f'{path}: no episode to write')
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f'.{path.name}-'))
    try:
        root = zarr.open_group(str(folder / 'store'), mode='w', zarr_format=2)
        data, meta = root.create_group('data'), root.create_group('meta')
        for name in ('state', 'action'):
            rows = np.concatenate([getattr(e, name) for e in episodes]).astype(np.float32)
            chunks = (min(len(rows), 4096), rows.shape[1])
            _create(data, name, rows, chunks, 'f4')
        ends = np.cumsum([len(e) for e in episodes])
        _create(meta, 'episode_ends', ends, ends.shape, 'i8')
        shutil.rmtree(path, ignore_errors=True)
        (folder / 'store').rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return len(episodes)


def _create(
    group: zarr.Group, name: str, rows: NDArray[Any], chunks: tuple[int, ...], dtype: str
) -> None:
    # A chunk of nothing but zeros is written too: a missing one means that the store is damaged.
    whole: Any = {'write_empty_chunks': True}
    array = group.create_array(name, shape=rows.shape, chunks=chunks, dtype=dtype, config=whole)
    array[:] = rows


def _whole(root: zarr.Group, name: str) -> NDArray[Any]:
    """The array `name`; DatasetError if chunks of it are missing, which zarr reads as zeros."""
    array = root[name]
    if not isinstance(array, zarr.Array):
        raise KeyError(f'{name} is a group, not an array')
    missing = array.nchunks - array.nchunks_initialized
    if missing:
        raise DatasetError(
            f'{missing} of {array.nchunks} chunks of {name} are missing. The copy is incomplete.'
        )
    return np.asarray(array[:])


def _check(path: Path, states: Array, actions: Array, ends: NDArray[np.int64]) -> None:
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
