"""Many bags to one replay buffer: each bag to a part, in parallel, then the parts end to end.

SET.parts beside the set holds the parts until the set is whole. A build that was interrupted goes
on from them.
"""

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dp_ros.data import dataset_part, replay_buffer
from dp_ros.data.dataset_part import BLOCK, OPERATOR, STAMP, STEPS, Choices, Job, Part
from dp_ros.data.frames import FrameStore
from dp_ros.data.provenance import PROVENANCE
from dp_ros.data.replay_buffer import DatasetError, StoreWriter
from dp_ros.data.task_pools import Pool, PoolError
from dp_ros.task import Task


def parts_folder(out: Path) -> Path:
    """Where the parts of the set `out` are kept until it is whole."""
    return out.with_name(f'{out.name}.parts')


def jobs(bags: Sequence[Path], out: Path, choices: Choices) -> list[Job]:
    """A job for each bag; raises DatasetError where `out` is something else than a data set."""
    if out.exists() and not (out / '.zgroup').exists():
        raise DatasetError(f'{out} exists and is no data set; give a name that is free')
    folder = parts_folder(out)
    return [Job(bag, folder / dataset_part.identity(bag, choices), choices) for bag in bags]


def make_parts(made: Sequence[Job], pool: Pool) -> Iterator[tuple[int, Part]]:
    """(index of its job, part) as `pool` makes them; raises OSError, DatasetError."""
    try:
        for index, part in pool(dataset_part.make, made):
            if not dataset_part.is_here(made[index].part):
                raise DatasetError(
                    f'the part of {made[index].bag} was made, but {made[index].part} is not here: '
                    f'bags and set must lie on a disk that all machines share, at the same path'
                )
            yield index, part
    except PoolError as error:
        raise DatasetError(f'{error}: the parts that are made are kept') from None


def without_copies(parts: Sequence[Part]) -> list[Part]:
    """The same parts; one that repeats the samples of an earlier one is left out."""
    first: dict[str, Part] = {}
    told = []
    for part in parts:
        original = first.setdefault(part.fingerprint, part) if part.fingerprint else part
        if original is not part:
            why = f'holds the same samples as {original.bag}: one of them is a copy'
            part = Part(bag=part.bag, why_left_out=(why,), fingerprint=part.fingerprint)
        told.append(part)
    return told


def merge(
    made: Sequence[Job], parts: Sequence[Part], out: Path, step: Callable[[int], None]
) -> None:
    """Write the set `out`, whole or not at all, and remove the parts.

    `step` is told how many steps were written. Memory is constant. Raises OSError, and
    DatasetError where no bag yields an episode.
    """
    task = made[0].choices.task
    with replay_buffer.writing(out, task.cameras, scratch=parts_folder(out)) as store:
        for job, part in zip(made, parts, strict=True):
            if part.stretches:
                _copy(job.part / STEPS, part, task, store, step)
        store.describe(PROVENANCE, provenance(made[0].choices, parts))
    forget(out)


def forget(out: Path) -> None:
    """Remove the parts of the set `out`."""
    shutil.rmtree(parts_folder(out), ignore_errors=True)


def provenance(choices: Choices, parts: Sequence[Part]) -> dict[str, Any]:
    """JSON values: the bag of each episode, in order, and what the set was made by."""
    return {
        'task': choices.task.model_dump(mode='json'),
        'robot': choices.robot.model_dump(mode='json'),
        'commanded_by': choices.commanded_by.value,
        'audited': choices.thresholds is not None,
        'episodes': [
            {'bag': part.bag, **stretch.model_dump()}
            for part in parts
            for stretch in part.stretches
        ],
        'left_out': {part.bag: list(part.why_left_out) for part in parts if not part.stretches},
    }


def _copy(
    source: Path, part: Part, task: Task, store: StoreWriter, step: Callable[[int], None]
) -> None:
    """Append the episodes of a part to `store`, a block at a time."""
    names = ('state', 'action', OPERATOR, STAMP)
    rows = dict(
        zip(names, replay_buffer.arrays(source, *(f'data/{n}' for n in names)), strict=True)
    )
    cameras = {camera.name: FrameStore([source], camera) for camera in task.cameras}
    at = 0
    for stretch in part.stretches:
        end = at + stretch.steps
        for begin in range(at, end, BLOCK):
            block = np.arange(begin, min(begin + BLOCK, end))
            frames: dict[str, NDArray[Any]] = {n: c.read(block) for n, c in cameras.items()}
            store.append({name: values[block] for name, values in rows.items()} | frames)
            step(len(block))
        store.end_episode()
        at = end


def disk_refused(error: OSError, out: Path) -> DatasetError:
    """What to tell of an error of the disk while the set `out` was made."""
    told = f'{out} was not written: {error.strerror or error}'
    if error.filename:
        told += f': {error.filename}'
    kept = parts_folder(out)
    if kept.exists():
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        cure = 'make room' if full else 'mend that'
        told += f'. The parts that are made are kept in {kept}; {cure} and run it again'
    return DatasetError(told)
