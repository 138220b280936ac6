"""Table: the same method for actions of 2, 6 and 14 numbers, 16 actions in a chunk.

The two arms are played a second time through a command stream for each, as executors are.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from dp_ros import yamlfile
from dp_ros.commands.evidence.evaluation import Evaluation, Starts, figures, outcomes
from dp_ros.commands.evidence.jobs import Job, Record
from dp_ros.commands.evidence.sources import FromSource, Ready
from dp_ros.commands.evidence.workbench import Workbench, short
from dp_ros.learning import methods
from dp_ros.paths import share
from dp_ros.task import Task, load_task

TABLE = 'dimensions'
STREAMED = 'two_arms_carry'
DELAY_MS = 150
FIRST_START = 20_000
"""Not those on which the experts and the lengths of the trainings were chosen."""
TITLES = {
    'two_arcs': 'a point on the plane',
    'ur5e_reach': 'the joints of one arm',
    'two_arms_carry': 'two arms with grippers',
}
DEMONSTRATIONS = {'two_arcs': 100, 'ur5e_reach': 400, 'two_arms_carry': 200}
"""How many the expert of each task gives."""
COPIED = ('parameters', 'demonstrations', 'training_steps', 'chunk_ms')


@dataclass(frozen=True)
class Taught:
    """The policy of a task whose expert demonstrates by itself, trained by the task's recipe."""

    task: str
    learns: bool = False

    @property
    def name(self) -> str:
        return f'{self.task}-{self.identity}'

    @cached_property
    def identity(self) -> str:
        parts = yamlfile.dump(self.recipe), yamlfile.dump(self.description), str(self._count)
        return hashlib.sha256(''.join(parts).encode()).hexdigest()[:8]

    @property
    def missing(self) -> str | None:
        return None

    @cached_property
    def recipe(self) -> methods.AnyRecipe:
        """How it is trained."""
        return methods.load_recipe(share('config', 'training', f'{self.task}.yaml'))

    @cached_property
    def description(self) -> Task:
        """What it sees and says."""
        return load_task(share('config', 'tasks', f'{self.task}.yaml'))

    @property
    def sizes(self) -> dict[str, Any]:
        """What a record says of it."""
        task = self.description
        policy = methods.make_policy(task, self.recipe)
        return {
            'dimensions': [task.action_dim, task.horizons.prediction],
            'observed': [task.observation_dim, task.horizons.observation],
            'parameters': sum(weights.numel() for weights in policy.parameters()),
            'demonstrations': self._count,
            'training_steps': self.recipe.optimiser.steps,
        }

    @property
    def _count(self) -> int:
        return DEMONSTRATIONS[self.task]

    def ready(self, bench: Workbench) -> Ready:
        data, run = bench.out / f'{self.name}.zarr', bench.out / 'runs' / self.name
        generated = bench.once(
            f'{self.name}-data',
            [
                'dataset', 'generate', self.task, '-o', str(data),
                '--episodes', str(self._count),
            ],
        )  # fmt: skip
        trained = bench.once(
            self.name,
            [
                'train', str(data), '--task', self.task, '-o', str(run),
                '--threads', '1', '--workers', '0',
            ],
        )  # fmt: skip
        return Ready(run / 'checkpoint', (generated, trained))


@dataclass(frozen=True)
class Dimension(FromSource):
    """A job: the episodes of `starts` in the task's own environment."""

    source: Taught
    starts: Starts
    table: str = TABLE

    @property
    def key(self) -> dict[str, Any]:
        return _evaluation(self.source, self.starts, 0).key

    def run(self, bench: Workbench) -> Record:
        return {**_evaluation(self.source, self.starts, 0).run(bench), **self.source.sizes}


@dataclass(frozen=True)
class Streamed(FromSource):
    """A job: the same episodes, with late chunks, through the limits of each arm's executor."""

    source: Taught
    starts: Starts
    table: str = TABLE

    @property
    def key(self) -> dict[str, Any]:
        return _evaluation(self.source, self.starts, DELAY_MS).key

    def run(self, bench: Workbench) -> Record:
        ready = self.source.ready(bench)
        title = f'{TABLE}-{self.source.name}-streamed'
        out = bench.out / 'evaluations' / title
        played = bench.command(
            title,
            [
                'benchmark', 'arms', short(ready.folder), '--episodes', str(self.starts.count),
                '--seed', str(self.starts.first), '--delay-ms', str(DELAY_MS), '-o', str(out),
            ],
        )  # fmt: skip
        report = json.loads((out / 'arms.json').read_text())
        return {
            'key': self.key,
            'commands': [*ready.commands, played],
            'checkpoint': report['checkpoint']['identity'],
            'chunk_ms': None,
            **outcomes(report['episodes']),
            **self.source.sizes,
        }


def _evaluation(source: Taught, starts: Starts, delay_ms: int) -> Evaluation:
    labels = (('task', source.task), ('delay_ms', delay_ms))
    return Evaluation(TABLE, labels, source, starts)


def jobs(starts: Starts) -> list[Job]:
    """A policy for each task, which is taught first."""
    starts = replace(starts, first=FIRST_START)
    headless: list[Job] = [Dimension(Taught(task), starts) for task in TITLES]
    return [*headless, Streamed(Taught(STREAMED), starts)]


def rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """In the order of their dimensions."""
    order = list(TITLES)
    return [
        {
            'title': _title(record),
            'size': ' x '.join(map(str, record['dimensions'])),
            'observed': ' x '.join(map(str, record['observed'])),
            **{name: record[name] for name in COPIED},
            **figures([record]),
        }
        for record in sorted(
            records,
            key=lambda record: (order.index(record['key']['task']), record['key']['delay_ms']),
        )
    ]


def _title(record: Record) -> str:
    delay_ms = record['key']['delay_ms']
    late = f', a command stream each, chunks {delay_ms} ms late' if delay_ms else ''
    return f'{TITLES[record["key"]["task"]]}{late}'
