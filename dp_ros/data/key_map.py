"""Which arrays of a foreign data set hold what a task sees and does, as text and as a value.

tcp=robot0_eef_pos,robot0_eef_rot_axis_angle     two arrays side by side
action=action[0,1]                               the first two columns of an array
overhead=camera0_rgb                             the frames of a camera

KEY[0,1] are columns of an array.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SOURCE = re.compile(r'(?P<key>[^\[\],=]+)(?:\[(?P<columns>\d+(?:,\d+)*)\])?')


@dataclass(frozen=True)
class Source:
    """An array of the foreign set, or some of its columns."""

    key: str
    columns: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return self.key if self.columns is None else f'{self.key}{list(self.columns)}'

    def width(self, found: int) -> int:
        """How many columns are taken of an array that has `found`; IndexError if it has fewer."""
        if self.columns is None:
            return found
        if max(self.columns) >= found:
            raise IndexError(f'{self.key} has {found} columns; column {max(self.columns)} of it')
        return len(self.columns)

    def pick(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows (L, n) or (L,) of the array -> the columns taken (L, k)."""
        table = rows.reshape(len(rows), -1)
        return table if self.columns is None else table[:, self.columns]


KeyMap = Mapping[str, tuple[Source, ...]]
"""Name of a stream, or `state` or `action` -> the arrays that hold it, side by side."""


def parse(texts: Iterable[str]) -> dict[str, tuple[Source, ...]]:
    """`NAME=KEY,KEY[0,1]` each -> a key map; raises ValueError."""
    found: dict[str, tuple[Source, ...]] = {}
    for text in texts:
        name, equals, keys = text.partition('=')
        parts = _split(keys)
        if not (name and equals and parts):
            raise ValueError(
                f'--map {text}: expected NAME=KEY or NAME=KEY,KEY[0,1] with the name of a stream, '
                f'state or action, and the keys of its arrays'
            )
        if name in found:
            raise ValueError(f'--map names {name} twice; give its keys at once, with commas')
        found[name] = parts
    return found


def side_by_side(sources: Iterable[Source], arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The columns of all sources, (L, k)."""
    return np.concatenate([source.pick(arrays[source.key]) for source in sources], axis=1)


def _split(keys: str) -> tuple[Source, ...]:
    """The sources in `keys`; none if it is not a list of them."""
    texts = re.split(r',(?![^\[]*\])', keys)
    matches = [_SOURCE.fullmatch(text.strip()) for text in texts]
    sources = []
    for match in matches:
        if match is None:
            return ()
        columns = match['columns']
        picked = tuple(int(column) for column in columns.split(',')) if columns else None
        sources.append(Source(match['key'], picked))
    return tuple(sources)
