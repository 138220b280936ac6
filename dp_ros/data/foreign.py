"""Data sets of others: how their arrays become the episodes of a task."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dp_ros.data import images
from dp_ros.data.key_map import KeyMap, Source, side_by_side
from dp_ros.data.replay_buffer import DatasetError, Episode, view
from dp_ros.task import ImageStream, Task

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Defaults:
    """Where a format keeps the state, the actions and (before a camera's name) the frames."""

    state: Source
    action: Source
    frames: str = ''


@dataclass(frozen=True)
class Contents:
    """What a foreign set holds of each step: shapes of the numbers by key, keys of the images."""

    numbers: Mapping[str, tuple[int, ...]]
    images: Collection[str]

    @property
    def names(self) -> str:
        """All keys, as a sentence names them."""
        return ', '.join(sorted([*self.numbers, *self.images])) or 'nothing'

    def columns(self, key: str) -> int:
        """Numbers in one row of `key`."""
        return int(np.prod(self.numbers[key], dtype=int))


@dataclass(frozen=True)
class Plan:
    """Which keys make the state, the actions and the frames of each camera.

    extra: keys carried over as they are. left_out: those that cannot be. next_actions: the action
    of a step stands in the row after it, and the last row repeats.
    """

    state: tuple[Source, ...]
    action: tuple[Source, ...]
    cameras: Mapping[str, str]
    extra: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    next_actions: bool = False

    @property
    def numbers(self) -> tuple[str, ...]:
        """Keys of all the numbers that are read."""
        return tuple(dict.fromkeys([*(s.key for s in (*self.state, *self.action)), *self.extra]))

    def episode(
        self, arrays: Mapping[str, NDArray[Any]], frames: Mapping[str, Image], start: int
    ) -> Episode:
        """The rows of one episode by key, and prepared frames by camera -> an episode.

        start: number of its first row in the whole set. Raises DatasetError.
        """
        action = side_by_side(self.action, arrays)
        if self.next_actions:
            action = np.concatenate([action[1:], action[-1:]])
        for sources in (self.state, self.action):
            for source in sources:
                _check_finite(source, arrays[source.key], start)
        extra = {key: arrays[key] for key in self.extra} | dict(frames)
        state = side_by_side(self.state, arrays)
        return Episode(state.astype(np.float32), action.astype(np.float32), extra, start)


@dataclass(frozen=True)
class Reading:
    """A foreign set being read: the episodes, one at a time, and how many will come.

    tasks: what it says that was to be done.
    """

    count: int
    episodes: Iterator[Episode]
    left_out: tuple[str, ...] = ()
    tasks: tuple[str, ...] = field(default=())


def plan(
    task: Task, contents: Contents, defaults: Defaults, given: KeyMap, next_actions: bool = False
) -> Plan:
    """Which key becomes what: as `given`, or by the names of the task's streams, or `defaults`.

    Raises DatasetError, which names the key, what was found and what was expected.
    """
    names = {'state', 'action', *(stream.name for stream in task.observations)}
    unknown = sorted(set(given) - names)
    if unknown:
        raise DatasetError(
            f'--map names {", ".join(unknown)}; task {task.name!r} has {", ".join(sorted(names))}'
        )
    state = _state(task, contents, defaults, given)
    action = given.get('action', (defaults.action,))
    _check_width(contents, 'action', action, task.action.components)
    cameras = {camera.name: _frames(camera, contents, defaults, given) for camera in task.cameras}
    used = {source.key for source in (*state, *action)} | set(cameras.values())
    taken = {'state', 'action', *cameras}
    others = sorted({*contents.numbers, *contents.images} - used)
    extra = tuple(key for key in others if key in contents.numbers and key not in taken)
    left_out = tuple(key for key in others if key not in extra)
    return Plan(state, action, cameras, extra, left_out, next_actions)


def as_the_policy_sees(
    frames: Iterable[Image], stream: ImageStream, key: str, prepared: Any = None
) -> Iterator[Image]:
    """Frames as they stand in the set -> as the policy sees them; raises DatasetError.

    prepared: what the set says of how they were made, as `replay_buffer.view` gives it. If it says
    nothing, full frames of the camera are prepared and frames of the task's size are taken as they
    are.
    """
    if prepared is not None and prepared != view(stream):
        raise DatasetError(
            f'{key} was prepared as {prepared}; the task expects {view(stream)}. Its frames '
            f'cannot be taken for those of this task.'
        )
    seen, full = (stream.size[1], stream.size[0], 3), (stream.height, stream.width, 3)
    for frame in frames:
        if frame.dtype == np.uint8 and frame.shape == full and prepared is None:
            yield images.prepare(frame, stream)
        elif frame.dtype == np.uint8 and frame.shape == seen:
            yield frame
        else:
            raise DatasetError(
                f'{key} has frames {frame.dtype} {frame.shape}; expected uint8 {full}, the frames '
                f'of camera {stream.name!r}, or {seen}, what the policy sees of them'
            )


def _state(
    task: Task, contents: Contents, defaults: Defaults, given: KeyMap
) -> tuple[Source, ...]:
    """The sources of the state: the whole of it, or stream by stream."""
    streams = [stream.name for stream in task.vectors]
    one_by_one = any(name in given for name in streams)
    if 'state' in given and one_by_one:
        raise DatasetError('--map names state and streams of it; name one or the other')
    by_name = all(name in contents.numbers for name in streams)
    if not one_by_one and ('state' in given or defaults.state.key in contents.numbers):
        wanted = tuple(f'{s.name}.{c}' for s in task.vectors for c in s.components)
        sources = given.get('state', (defaults.state,))
        _check_width(contents, 'state', sources, wanted)
        return sources
    if not one_by_one and not by_name:
        raise DatasetError(
            f'no state: expected the key {defaults.state.key}, or a key each for the streams '
            f'{", ".join(streams)}; found {contents.names}. Say which keys hold them: '
            f'--map {streams[0]}=KEY'
        )
    found: list[Source] = []
    for stream in task.vectors:
        sources = given.get(stream.name, (Source(stream.name),))
        _check_width(contents, stream.name, sources, stream.components)
        found += sources
    return tuple(found)


def _check_width(
    contents: Contents, name: str, sources: tuple[Source, ...], wanted: tuple[str, ...]
) -> None:
    width = 0
    for source in sources:
        if source.key not in contents.numbers:
            images_too = ' (it holds images)' if source.key in contents.images else ''
            raise DatasetError(
                f'no numbers {source.key} for {name}{images_too}; found {contents.names}. Say '
                f'which key holds them: --map {name}=KEY'
            )
        try:
            width += source.width(contents.columns(source.key))
        except IndexError as error:
            raise DatasetError(f'{error} was to be {name}') from None
    if width != len(wanted):
        keys = ','.join(map(str, sources))
        raise DatasetError(
            f'{keys} has {width} columns; {name} of the task has {len(wanted)} '
            f'({", ".join(wanted)}). Choose among them: --map {name}=KEY[0,1]'
        )


def _frames(camera: ImageStream, contents: Contents, defaults: Defaults, given: KeyMap) -> str:
    sources = given.get(camera.name, (Source(f'{defaults.frames}{camera.name}'),))
    key = sources[0].key
    if len(sources) != 1 or sources[0].columns is not None:
        raise DatasetError(f'--map {camera.name}: frames of a camera stand under one key')
    if key not in contents.images:
        kind = f' is {contents.numbers[key]}, no frames' if key in contents.numbers else ''
        raise DatasetError(
            f'no frames {key} for camera {camera.name!r}{kind}; found {contents.names}. Say which '
            f'key holds them: --map {camera.name}=KEY'
        )
    return key


def _check_finite(source: Source, rows: NDArray[Any], start: int) -> None:
    values = source.pick(rows)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise DatasetError(
            f'{source} is not finite in {len(bad)} rows of an episode, first row {start + bad[0]} '
            f'of the set'
        )
