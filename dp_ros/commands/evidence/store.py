"""The records of a table, as one file of JSON that is whole at any time."""

import json
from collections.abc import Mapping
from pathlib import Path

from dp_ros import atomic
from dp_ros.commands.evidence.jobs import Record, name


def read(folder: Path, table: str) -> dict[str, Record]:
    """The records so far, by the names of their keys; ValueError for a file that is no such."""
    file = folder / f'{table}.json'
    if not file.is_file():
        return {}
    try:
        return {name(record['key']): record for record in json.loads(file.read_text())['records']}
    except (json.JSONDecodeError, KeyError, TypeError):
        raise ValueError(
            f'{file} does not hold the records of table {table}; delete it, and they are made anew'
        ) from None


def add(folder: Path, table: str, record: Record) -> None:
    """Put `record` in place of the one with its key, or at the end."""
    known = {**read(folder, table), name(record['key']): record}
    write(folder, table, known)


def write(folder: Path, table: str, records: Mapping[str, Record]) -> None:
    """All records of a table, one a line."""
    lines = ',\n'.join(json.dumps(record) for record in records.values())
    atomic.write_text(
        folder / f'{table}.json', f'{{"table": {json.dumps(table)}, "records": [\n{lines}\n]}}\n'
    )
