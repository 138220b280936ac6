"""One bag's share of a data set, kept in a folder of its own until the set is whole.

PART/steps is a replay buffer of the bag's stretches; PART/part.json says what became of the bag
and stands there only when all of it is written. A part that is damaged is made anew.
"""

import errno
import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from dp_ros import atomic, yamlfile
from dp_ros.core.mode import Mode
from dp_ros.data import episode as episodes
from dp_ros.data import replay_buffer
from dp_ros.data.audit import Thresholds, audit
from dp_ros.data.bag import open_bag
from dp_ros.data.bag_repair import BagError
from dp_ros.data.episode_steps import CommandedBy, Step, Tally, steps
from dp_ros.data.flips import Flips
from dp_ros.data.replay_buffer import StoreWriter
from dp_ros.robot import Robot
from dp_ros.task import Task

RECORD, STEPS = 'part.json', 'steps'
OPERATOR, STAMP = 'operator', 'stamp'
"""Further arrays of the set: 1 where a person commanded, else 0; time of each step [ns]."""

# Parts made by another version of this file are made anew.
VERSION = 2
# Steps, with their frames, that are held in memory before they are written.
BLOCK = 16


class Stretch(yamlfile.Settings):
    """One episode of the set."""

    mode: str
    begin_ns: int
    steps: int


class Part(yamlfile.Settings):
    """What became of the bag `bag`: its episodes, or why it was left out."""

    bag: str
    why_left_out: tuple[str, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    alone: int = Field(default=0, description='stretches of one step')
    unlabelled: int = Field(default=0, description='steps without a command at their end')
    refused: dict[str, int] = Field(default_factory=dict, description='steps without a window')
    fingerprint: str = Field(default='', description='of its samples, if it was audited')
    files: int = Field(default=0, description='of its replay buffer')
    size: int = Field(default=0, description='of those files together [bytes]')

    @property
    def steps(self) -> int:
        """Steps of all of its episodes."""
        return sum(stretch.steps for stretch in self.stretches)


@dataclass(frozen=True)
class Choices:
    """What is made of every bag alike; thresholds: of the audit, None: whatever it says."""

    task: Task
    robot: Robot
    commanded_by: CommandedBy = CommandedBy.teleoperated
    thresholds: Thresholds | None = None


@dataclass(frozen=True)
class Job:
    """One bag, and the folder of its part."""

    bag: Path
    part: Path
    choices: Choices


def identity(bag: Path, choices: Choices) -> str:
    """16 hexadecimal digits that change with the files of the bag and with the choices."""
    total = hashlib.blake2b(str((VERSION, str(bag.resolve()))).encode(), digest_size=8)
    for file in sorted(bag.glob('*.*')):
        known = file.stat()
        total.update(str((file.name, known.st_size, known.st_mtime_ns)).encode())
    if (bag / episodes.FILE).exists():
        total.update((bag / episodes.FILE).read_bytes())
    for settings in (choices.task, choices.robot, choices.thresholds):
        total.update(settings.model_dump_json().encode() if settings else b'forced')
    total.update(choices.commanded_by.value.encode())
    return total.hexdigest()


def make(job: Job) -> Part:
    """The part of a bag, as it was left by an earlier run or made now.

    What is wrong with the bag is said in `why_left_out`; raises OSError where the disk refuses, or
    this machine does not see the bag.
    """
    known = _known(job.part)
    if known is not None:
        return known
    if not job.bag.exists():
        raise FileNotFoundError(errno.ENOENT, f'{platform.node()} does not see it', str(job.bag))
    try:
        part = _made(job)
    except ValueError as error:
        part = Part(bag=str(job.bag), why_left_out=(str(error),))
    files, size = _extent(job.part / STEPS)
    part = part.model_copy(update={'files': files, 'size': size})
    atomic.write_text(job.part / RECORD, part.model_dump_json(indent=1))
    return part


def is_here(part: Path) -> bool:
    """Whether this machine sees the part in this folder."""
    return (part / RECORD).exists()


def _known(folder: Path) -> Part | None:
    """The part that an earlier run left whole; None where there is none."""
    try:
        part = Part.model_validate_json((folder / RECORD).read_text(encoding='utf-8'))
    except (FileNotFoundError, ValueError):
        return None
    return part if _extent(folder / STEPS) == (part.files, part.size) else None


def _extent(folder: Path) -> tuple[int, int]:
    """Count of the files below, and their bytes: a power cut leaves fewer."""
    sizes = [path.stat().st_size for path in folder.rglob('*') if path.is_file()]
    return len(sizes), sum(sizes)


def _made(job: Job) -> Part:
    choices, fingerprint = job.choices, ''
    if choices.thresholds is not None:
        found = audit(job.bag, choices.task, choices.robot, choices.thresholds)
        fingerprint = found.fingerprint
        if found.complaints:
            return Part(bag=str(job.bag), why_left_out=found.complaints)
    tally = Tally()
    with open_bag(job.bag) as bag:
        made = steps(bag, choices.task, choices.robot, choices.commanded_by, tally)
        first = next(made, None)
        if first is None:
            raise BagError(f'{job.bag}: {_nothing(tally, choices.commanded_by)}')
        with replay_buffer.writing(job.part / STEPS, choices.task.cameras) as store:
            blocks = _Blocks(store, Flips(choices.task))
            blocks.add(first)
            for step in made:
                blocks.add(step)
            blocks.end()
    return Part(
        bag=str(job.bag),
        stretches=tuple(blocks.stretches),
        alone=tally.alone,
        unlabelled=tally.unlabelled,
        refused=dict(tally.refused),
        fingerprint=fingerprint,
    )


class _Blocks:
    """Steps on their way into a store, a block at a time."""

    def __init__(self, store: StoreWriter, flips: Flips) -> None:
        self._store, self._flips = store, flips
        self._last: Step | None = None
        self._held: list[Step] = []
        self.stretches: list[Stretch] = []

    def add(self, step: Step) -> None:
        """The next step; one that begins a stretch ends the episode before."""
        if step.begins:
            if self.stretches:
                self.end()
            self.stretches.append(Stretch(mode=step.mode, begin_ns=step.stamp_ns, steps=0))
        elif self._last is not None:
            self._flips.check((self._last.state, self._last.action), (step.state, step.action))
        self._last = step
        self._held.append(step)
        if len(self._held) == BLOCK:
            self._write()

    def end(self) -> None:
        """End the present episode."""
        if self._held:
            self._write()
        self._store.end_episode()

    def _write(self) -> None:
        held, now = self._held, self.stretches[-1]
        by_person = now.mode == Mode.TELEOPERATED.value
        self._store.append(
            {
                'state': np.stack([step.state for step in held]),
                'action': np.stack([step.action for step in held]),
                OPERATOR: np.full(len(held), by_person, np.uint8),
                STAMP: np.array([step.stamp_ns for step in held], np.int64),
                **{name: np.stack([s.frames[name] for s in held]) for name in held[0].frames},
            }
        )
        self.stretches[-1] = now.model_copy(update={'steps': now.steps + len(held)})
        self._held = []


def _nothing(tally: Tally, commanded_by: CommandedBy) -> str:
    """Why a bag holds no episode, and what would take it."""
    if not tally.modes:
        return 'the executor told no mode, so nobody knows who commanded'
    modes = ', '.join(f'{name} {seconds:.1f} s' for name, seconds in tally.modes.items())
    if not any(mode in tally.modes for mode in commanded_by.modes):
        other = [o.value for o in CommandedBy if any(mode in tally.modes for mode in o.modes)]
        what = f'take it with --commanded-by {" or ".join(other)}' if other else 'record another'
        return f'no step was {_who(commanded_by)}; its modes are {modes}; {what}'
    missing = [f'{count} without a window ({why})' for why, count in tally.refused.items()]
    missing += [f'{tally.unlabelled} without a command at their end'] * (tally.unlabelled > 0)
    return (
        f'there are no two steps in a row that were {_who(commanded_by)}; its modes are {modes}; '
        f'steps left out: {", ".join(missing) or "none"}'
    )


def _who(commanded_by: CommandedBy) -> str:
    names = {CommandedBy.policy: 'commanded by a policy', CommandedBy.anyone: 'commanded'}
    return names.get(commanded_by, 'teleoperated')
