"""Many bags to one replay buffer: each bag to a part, in parallel, then the parts end to end.

SET.parts beside the set holds the parts until the set is whole. A build that was interrupted goes
on from them.
"""

import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dp_ros.data import dataset_part, replay_buffer
from dp_ros.data.dataset_part import BLOCK, OPERATOR, STAMP, STEPS, Choices, Job, Part
from dp_ros.data.frames import FrameStore
from dp_ros.data.replay_buffer import DatasetError, StoreWriter
from dp_ros.task import Task

PROVENANCE = 'provenance'
"""Attribute of a set: which bag each of its episodes came from, and what was left out."""


def parts_folder(out: Path) -> Path:
    """Where the parts of the set `out` are kept until it is whole."""
    return out.with_name(f'{out.name}.parts')


def jobs(bags: Sequence[Path], out: Path, choices: Choices) -> list[Job]:
    """A job for each bag; raises DatasetError where `out` is something else than a data set."""
    if out.exists() and not (out / '.zgroup').exists():
        raise DatasetError(f'{out} exists and is no data set; give a name that is free')
    folder = parts_folder(out)
    return [Job(bag, folder / dataset_part.identity(bag, choices), choices) for bag in bags]


def make_parts(made: Sequence[Job], workers: int) -> Iterator[Part]:
    """The parts of all jobs, in their order, by so many processes; raises OSError."""
    if workers == 1 or len(made) == 1:
        yield from map(dataset_part.make, made)
        return
    # Spawned, not forked: zarr runs threads of its own.
    pool = ProcessPoolExecutor(
        min(workers, len(made)), get_context('spawn'), initializer=_begin_worker
    )
    try:
        yield from pool.map(dataset_part.make, made)
    except BrokenProcessPool:
        raise DatasetError(
            'a process ended without a word, as for want of memory; run it again with fewer '
            '--workers: the parts that are made are kept'
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


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


def _begin_worker() -> None:
    """Ctrl-C is the parent's affair; but where it was killed, nobody gives work any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name='parent', daemon=True).start()
