"""What a data set says of its origin: the bags of its episodes, and the task it was built for."""

from pathlib import Path
from typing import Any

import zarr

from dp_ros import yamlfile
from dp_ros.data.replay_buffer import DatasetError
from dp_ros.task import Task, first_difference

PROVENANCE = 'provenance'
"""Attribute of a set: which bag each of its episodes came from, and what was left out."""


def built_for(path: Path | str) -> Task | None:
    """The task that the set was built for, where it says so."""
    told: Any = zarr.open_group(str(path), mode='r').attrs.get(PROVENANCE, {})
    return yamlfile.parse(Task, told['task'], f'{path}: task') if 'task' in told else None


def require_rows(path: Path | str, task: Task) -> None:
    """Raise DatasetError where a step or a column of the set means something else in `task`."""
    built = built_for(path)
    differing = None if built is None else first_difference(_rows(built), _rows(task))
    if differing:
        raise DatasetError(
            f'{path} was built for other steps and columns than those of task {task.name!r}: '
            f'{differing}. Build it anew from its bags (dp-ros dataset build), or train with the '
            f'task that it was built for.'
        )


def _rows(task: Task) -> dict[str, Any]:
    return {
        'rate_hz': task.rate_hz,
        'observations': [
            {'topic': stream.topic, 'components': stream.components} for stream in task.vectors
        ],
        'action': task.action.model_dump(),
    }
