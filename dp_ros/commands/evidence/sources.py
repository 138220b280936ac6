"""Where the checkpoint of a job comes from, and what it is determined by."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from dp_ros import atomic, yamlfile
from dp_ros.commands.evidence.contenders import TASK, Contender
from dp_ros.commands.evidence.workbench import Workbench, short
from dp_ros.learning import checkpoint, methods
from dp_ros.learning.recipe import Distillation

KEPT = 8
"""Checkpoints that are kept of a run that is watched."""


@dataclass(frozen=True)
class Ready:
    """A folder with a checkpoint, and the commands that made it."""

    folder: Path
    commands: tuple[str, ...] = ()


class Source(Protocol):
    """A checkpoint that is there, or can be made."""

    @property
    def name(self) -> str:
        """For folders and logs."""
        ...

    @property
    def identity(self) -> str:
        """Changes with everything that decides what the policy becomes."""
        ...

    @property
    def missing(self) -> str | None:
        """Why it can be neither had nor made; None if it can."""
        ...

    @property
    def learns(self) -> bool:
        """Whether demonstrations are needed to make it."""
        ...

    def ready(self, bench: Workbench) -> Ready:
        """Make it, unless it is there; raises CommandError."""
        ...


class FromSource:
    """A job on the checkpoint of `source`: it can be done where that can be had."""

    source: Source

    @property
    def missing(self) -> str | None:
        return self.source.missing

    @property
    def learns(self) -> bool:
        return self.source.learns


@dataclass(frozen=True)
class Shipped:
    """A checkpoint that is there."""

    folder: Path
    learns: bool = False

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def identity(self) -> str:
        return checkpoint.identity(self.folder)

    @property
    def missing(self) -> str | None:
        return None if self.folder.is_dir() else f'{self.folder} is not there'

    def ready(self, bench: Workbench) -> Ready:
        return Ready(self.folder)


@dataclass(frozen=True)
class Trained:
    """A contender's policy of one training seed."""

    contender: Contender
    seed: int
    learns: bool = True

    @property
    def name(self) -> str:
        return f'{self.contender.key}-{self.identity}'

    @cached_property
    def identity(self) -> str:
        task = '' if self.contender.task == TASK else self.contender.task
        return hashlib.sha256(f'{self._recipe}{task}'.encode()).hexdigest()[:8]

    @property
    def missing(self) -> str | None:
        file = self.contender.file
        return None if file.is_file() else f'there is no recipe {self.contender.recipe} yet'

    @property
    def kept_steps(self) -> list[int]:
        """After which steps a checkpoint is kept."""
        recipe = methods.load_recipe(self.contender.file)
        every = self._keep_every(recipe)
        return list(range(every, recipe.optimiser.steps + 1, every))

    def ready(self, bench: Workbench) -> Ready:
        data, imported = bench.data()
        run = self.folder(bench)
        recipe = run / 'recipe.yaml'
        if not recipe.is_file():
            atomic.write_text(recipe, self._recipe)
        trained = bench.once(
            self.name,
            [
                'train', str(data), '--task', self.contender.task, '--recipe', str(recipe),
                '-o', str(run), '--threads', '1', '--workers', '0',
            ],
        )  # fmt: skip
        return Ready(run / 'checkpoint', (imported, trained))

    def folder(self, bench: Workbench) -> Path:
        """That of its run."""
        return bench.out / 'runs' / self.name

    @cached_property
    def _recipe(self) -> str:
        """The shipped recipe with this seed, as YAML."""
        recipe = methods.load_recipe(self.contender.file)
        changes: dict[str, int] = {'seed': self.seed}
        if self.contender.watched:
            every = self._keep_every(recipe)
            changes |= {'keep_every': every, 'validate_every': every}
        return yamlfile.dump(recipe.model_copy(update=changes))

    def _keep_every(self, recipe: methods.AnyRecipe) -> int:
        return max(1, recipe.optimiser.steps // KEPT)


@dataclass(frozen=True)
class Kept:
    """What a watched run was after `step` steps."""

    run: Trained
    step: int
    learns: bool = True

    @property
    def name(self) -> str:
        return f'{self.run.name}-{self.step}'

    @property
    def identity(self) -> str:
        return self.run.identity

    @property
    def missing(self) -> str | None:
        return self.run.missing

    def ready(self, bench: Workbench) -> Ready:
        made = self.run.ready(bench)
        kept = self.run.folder(bench) / 'kept' / str(self.step)
        return Ready(kept / 'checkpoint', made.commands)


@dataclass(frozen=True)
class Student:
    """A shipped policy, distilled."""

    teacher: Shipped
    recipe: Path
    learns: bool = True

    @property
    def name(self) -> str:
        return f'distilled-{self.identity}'

    @cached_property
    def identity(self) -> str:
        recipe = yamlfile.dump(yamlfile.load(Distillation, self.recipe))
        return hashlib.sha256(f'{self.teacher.identity}{recipe}'.encode()).hexdigest()[:8]

    @property
    def missing(self) -> str | None:
        return None if self.recipe.is_file() else f'there is no recipe {self.recipe.stem} yet'

    def ready(self, bench: Workbench) -> Ready:
        data, imported = bench.data()
        run = bench.out / 'runs' / self.name
        distilled = bench.once(
            self.name,
            [
                'distill', short(self.teacher.folder), str(data), '--recipe', short(self.recipe),
                '-o', str(run), '--threads', '1', '--workers', '0',
            ],
        )  # fmt: skip
        return Ready(run / 'checkpoint', (imported, distilled))
