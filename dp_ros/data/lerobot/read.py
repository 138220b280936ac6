"""A LeRobotDataset v3 to the episodes of a task: numbers as they are, frames decoded."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dp_ros.data.foreign import Contents, Defaults, Plan, Reading, as_the_policy_sees, plan
from dp_ros.data.key_map import KeyMap, Source
from dp_ros.data.lerobot import layout as lerobot
from dp_ros.data.lerobot import video as lerobot_video
from dp_ros.data.lerobot.layout import Info, Place
from dp_ros.data.replay_buffer import DatasetError, Episode
from dp_ros.task import ImageStream, Task

NUMBERS = (
    *('float64', 'float32', 'float16', 'bool'),
    *(f'{sign}int{bits}' for sign in ('', 'u') for bits in (8, 16, 32, 64)),
)


@dataclass(frozen=True)
class _Span:
    """Where an episode lies: `length` rows of a data file from `row` on, numbered from `index`.

    videos: file and time [s] of the first frame, by key.
    """

    number: int
    index: int
    length: int
    place: Place
    row: int
    videos: dict[str, tuple[Place, float]]


def read(
    path: Path, task: Task, given: KeyMap | None = None, next_actions: bool = False
) -> Reading:
    """The episodes of a LeRobotDataset for `task`; raises DatasetError, then or while reading."""
    lerobot.parquet()
    info = lerobot.load_info(path)
    if abs(info.fps - task.rate_hz) > 1e-6:
        raise DatasetError(
            f'{path} has {info.fps:g} steps a second; task {task.name!r} has {task.rate_hz:g}. '
            f'Steps of one rate cannot stand for those of another: describe a task of '
            f'{info.fps:g} Hz.'
        )
    others = set(info.features) - set(lerobot.BOOKKEEPING)
    contents = Contents(
        {key: info.shape(key) for key in info.of_type(*NUMBERS) if key in others},
        info.of_type('video', 'image'),
    )
    defaults = Defaults(_state(info, task), Source(lerobot.ACTION), lerobot.FRAMES)
    try:
        chosen = plan(task, contents, defaults, given or {}, next_actions)
    except DatasetError as error:
        raise DatasetError(f'{path}: {error}') from None
    spans = _spans(path, [k for k in chosen.cameras.values() if k in info.of_type('video')])
    known = {*contents.numbers, *contents.images}
    left_out = tuple(sorted((*chosen.left_out, *(others - known))))
    return Reading(len(spans), _episodes(path, info, task, chosen, spans), left_out, _tasks(path))


def _state(info: Info, task: Task) -> Source:
    """observation.state; where its columns bear the names of the task's, those, by name."""
    names = info.names(lerobot.STATE) if lerobot.STATE in info.features else ()
    wanted = lerobot.vector_features(task)[lerobot.STATE]['names']
    if set(wanted) <= set(names) and list(names) != wanted:
        return Source(lerobot.STATE, tuple(names.index(name) for name in wanted))
    return Source(lerobot.STATE)


def _episodes(
    path: Path, info: Info, task: Task, chosen: Plan, spans: list[_Span]
) -> Iterator[Episode]:
    cameras = {camera.name: camera for camera in task.cameras}
    in_table = [key for key in chosen.cameras.values() if key in info.of_type('image')]
    rows = _Rows(path, info, [*chosen.numbers, *in_table])
    for span in spans:
        try:
            table = rows.read(span)
            numbers = {key: _numbers(table, key, info.shape(key)) for key in chosen.numbers}
            frames = {
                name: _frames(path, info, key, cameras[name], span, table)
                for name, key in chosen.cameras.items()
            }
            yield chosen.episode(numbers, frames, span.index)
        except DatasetError as error:
            raise DatasetError(f'{path}, episode {span.number}: {error}') from None


class _Rows:
    """The rows of the data files, one episode at a time; one row group is held."""

    def __init__(self, path: Path, info: Info, keys: list[str]) -> None:
        self._path, self._info = path, info
        self._columns = [*dict.fromkeys(keys), 'episode_index']
        self._place: Place | None = None
        self._file: Any = None
        self._starts = np.zeros(1, np.int64)
        self._group: tuple[int, Any] = (-1, None)

    def read(self, span: _Span) -> Any:
        """The table of an episode; raises DatasetError."""
        import pyarrow

        file = self._path / span.place.path(self._info.data_path)
        try:
            if span.place != self._place:
                self._open(file, span.place)
            end = span.row + span.length
            if self._starts[-1] < end:
                raise DatasetError(
                    f'{file} has {self._starts[-1]} rows; the episode needs those up to {end}. '
                    f'The copy is incomplete.'
                )
            groups = range(
                int(np.searchsorted(self._starts, span.row, 'right')) - 1,
                int(np.searchsorted(self._starts, end, 'left')),
            )
            whole = pyarrow.concat_tables([self._read_group(number) for number in groups])
            table = whole.slice(span.row - int(self._starts[groups[0]]), span.length)
        except FileNotFoundError:
            raise DatasetError(f'{file} is missing. The copy is incomplete.') from None
        except (pyarrow.ArrowException, OSError) as error:
            raise DatasetError(f'{file} cannot be read ({error}). It is damaged.') from None
        found = table.column('episode_index').to_numpy()
        if np.any(found != span.number):
            raise DatasetError(
                f'{file}: rows {span.row} to {end} are of episode {found[0]}; meta/episodes says '
                f'otherwise. The set is mixed up.'
            )
        return table

    def _open(self, file: Path, place: Place) -> None:
        self._file = lerobot.parquet().ParquetFile(file)
        about = self._file.metadata
        sizes = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self._place, self._group = place, (-1, None)
        missing = sorted(set(self._columns) - set(self._file.schema_arrow.names))
        if missing:
            raise DatasetError(f'{file} has no column {missing[0]}, of which {lerobot.INFO} tells')

    def _read_group(self, number: int) -> Any:
        if self._group[0] != number:
            self._group = (number, self._file.read_row_group(number, columns=self._columns))
        return self._group[1]


def _numbers(table: Any, key: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """A column as an array (L, ...); of single numbers (L,)."""
    import pyarrow

    column = table.column(key)
    if column.null_count:
        raise DatasetError(f'{key} has {column.null_count} rows without a value')
    values = column.combine_chunks()
    if isinstance(values, pyarrow.ChunkedArray):
        values = values.chunk(0)
    if isinstance(values, pyarrow.ExtensionArray):
        values = values.storage
    while pyarrow.types.is_list(values.type) or pyarrow.types.is_fixed_size_list(values.type):
        values = values.flatten()
    found = values.to_numpy(zero_copy_only=False)
    single = shape in ((), (1,))
    wanted = (len(table),) if single else (len(table), *shape)
    if found.dtype.kind not in 'biuf' or found.size != int(np.prod(wanted)):
        raise DatasetError(
            f'{key} has {found.size} values of {found.dtype} in {len(table)} rows; expected '
            f'{shape} numbers a row'
        )
    return found.reshape(wanted)


def _frames(
    path: Path, info: Info, key: str, camera: ImageStream, span: _Span, table: Any
) -> NDArray[np.uint8]:
    """The frames of an episode as the policy sees them, (L, H, W, 3)."""
    about = info.features[key].get('info') or {}
    if key in span.videos:
        place, start_s = span.videos[key]
        file = path / place.path(info.video_path, key)
        found = lerobot_video.read(file, start_s, span.length, info.fps)
    else:
        found = _pictures(table, key)
    prepared = about.get(lerobot.PREPARED)
    return np.stack(list(as_the_policy_sees(found, camera, key, prepared)))


def _pictures(table: Any, key: str) -> Iterator[NDArray[np.uint8]]:
    """Frames that stand in the table itself, as PNG or JPEG files."""
    for row in table.column(key):
        data = (row.as_py() or {}).get('bytes') or b''
        frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if data else None
        if frame is None:
            raise DatasetError(f'{key} has a row without a picture that can be read')
        yield np.asarray(frame, np.uint8)


def _spans(path: Path, videos: list[str]) -> list[_Span]:
    """Where each episode lies, by meta/episodes; raises DatasetError."""
    names = ['episode_index', 'length', 'dataset_from_index', 'data/chunk_index']
    names += ['data/file_index']
    for key in videos:
        names += [f'videos/{key}/{n}' for n in ('chunk_index', 'file_index', 'from_timestamp')]
    rows: list[dict[str, Any]] = []
    files = sorted((path / 'meta/episodes').glob('*/*.parquet'))
    if not files:
        raise DatasetError(f'{path}: meta/episodes has no parquet file. The copy is incomplete.')
    for file in files:
        rows += _table_of(file, names)
    rows.sort(key=lambda row: int(row['episode_index']))
    firsts: dict[Place, int] = {}
    spans = []
    for row in rows:
        place = Place(row['data/chunk_index'], row['data/file_index'])
        index = row['dataset_from_index']
        first = firsts.setdefault(place, index)
        found = {
            key: (
                Place(row[f'videos/{key}/chunk_index'], row[f'videos/{key}/file_index']),
                float(row[f'videos/{key}/from_timestamp']),
            )
            for key in videos
        }
        spans.append(
            _Span(row['episode_index'], index, row['length'], place, index - first, found)
        )
    if not spans:
        raise DatasetError(f'{path} has no episodes')
    return spans


def _tasks(path: Path) -> tuple[str, ...]:
    """The words of meta/tasks.parquet; none if it is not there."""
    file = path / lerobot.TASKS
    if not file.is_file():
        return ()
    rows = _table_of(file, None)
    # LeRobot's tables have the words as the index of a data frame, with or without a name.
    return tuple(str(row.get('task', row.get('__index_level_0__', ''))) for row in rows)


def _table_of(file: Path, columns: list[str] | None) -> list[dict[str, Any]]:
    """The rows of a small table; raises DatasetError."""
    import pyarrow

    try:
        found: list[dict[str, Any]] = (
            lerobot.parquet().ParquetFile(file).read(columns=columns).to_pylist()
        )
    except (pyarrow.ArrowException, OSError) as error:
        raise DatasetError(f'{file} cannot be read ({error}). It is damaged.') from None
    missing = sorted(set(columns or ()) - set(found[0] if found else {}))
    if missing and found:
        raise DatasetError(f'{file} has no column {missing[0]}')
    nulls = [name for name in columns or () if any(row[name] is None for row in found)]
    if nulls:
        raise DatasetError(f'{file}: an episode has no {nulls[0]}')
    return found
