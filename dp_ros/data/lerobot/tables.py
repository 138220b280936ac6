"""The tables of a LeRobotDataset v3: the steps, the episodes and the tasks, in parquet files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dp_ros.data.lerobot import layout as lerobot
from dp_ros.data.lerobot.layout import MB, Place, Storage
from dp_ros.data.replay_buffer import DatasetError

Columns = dict[str, NDArray[Any]]
"""Rows (L, ...) by key, as many of each."""


class DataFiles:
    """The parquet files under data/: a row group an episode."""

    def __init__(self, folder: Path, storage: Storage) -> None:
        self._folder, self._storage = folder, storage
        self._place = Place()
        self._rows = 0
        self._file: Any = None
        self._writer: Any = None

    def add(self, columns: Columns) -> Place:
        """Append an episode, to the next file if this one is full."""
        length = len(columns['index'])
        if self._writer and self._size_with(length) >= self._storage.data_mb * MB:
            self.close()
            self._place = self._place.next(self._storage.files)
        table = _table(columns)
        if self._writer is None:
            path = self._folder / self._place.path(lerobot.DATA)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open('wb')
            self._writer = lerobot.parquet().ParquetWriter(self._file, table.schema)
            self._rows = 0
        try:
            self._writer.write_table(table)
        except ValueError as error:
            raise DatasetError(f'an episode has other arrays than the first ({error})') from None
        self._rows += length
        return self._place

    def close(self) -> None:
        """Finish the file that is open."""
        if self._file is not None:
            with self._file:
                if self._writer is not None:
                    self._writer.close()
            self._file = self._writer = None

    def _size_with(self, rows: int) -> float:
        """Bytes that it will have with as many rows more, if they are like those in it."""
        return float(self._file.tell() * (1 + rows / self._rows))


def _table(columns: Columns) -> Any:
    """A table with one column a feature, of lists of one length where a row has several."""
    import pyarrow

    arrays = {}
    for key, rows in columns.items():
        values = pyarrow.array(np.ascontiguousarray(rows).reshape(-1))
        for size in rows.shape[:0:-1]:
            values = pyarrow.FixedSizeListArray.from_arrays(values, size)
        if rows.shape[1:] == (1,):
            values = values.values  # of a column of one number LeRobot wants the number
        arrays[key] = values
    return pyarrow.table(arrays)


def write_episodes(path: Path, episodes: list[dict[str, Any]]) -> None:
    """A row for each episode."""
    import pyarrow

    path.parent.mkdir(parents=True, exist_ok=True)
    lerobot.parquet().write_table(pyarrow.Table.from_pylist(episodes), path)


def write_tasks(path: Path, text: str) -> None:
    """The only task: a table that pandas reads with the words as its index."""
    import pyarrow

    def column(name: str, kind: str, dtype: str) -> dict[str, Any]:
        return {
            'name': name,
            'field_name': name,
            'pandas_type': kind,
            'numpy_type': dtype,
            'metadata': None,
        }

    about = {
        'index_columns': ['task'],
        'column_indexes': [],
        'columns': [column('task_index', 'int64', 'int64'), column('task', 'unicode', 'object')],
        'pandas_version': '2.0.0',
    }
    table = pyarrow.table({'task_index': pyarrow.array([0], 'int64'), 'task': [text]})
    table = table.replace_schema_metadata({'pandas': json.dumps(about)})
    lerobot.parquet().write_table(table, path)
