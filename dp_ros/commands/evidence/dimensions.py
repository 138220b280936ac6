"""Table: the same method for actions of 2, 6 and 14 numbers, each with 16 of them in a chunk."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dp_ros import yamlfile
from dp_ros.commands.evidence.evaluation import Evaluation, Starts, figures
from dp_ros.commands.evidence.jobs import Job, Record
from dp_ros.commands.evidence.sources import FromSource, Ready
from dp_ros.commands.evidence.workbench import Workbench
from dp_ros.learning import methods
from dp_ros.paths import share
from dp_ros.task import Task, load_task

TABLE = 'dimensions'
TITLES = {
    'two_arcs': 'a point on the plane',
    'ur5e_reach': 'the joints of one arm',
    'two_arms_carry': 'two arms with grippers',
}
DEMONSTRATIONS = {'two_arcs': 100, 'ur5e_reach': 200, 'two_arms_carry': 200}
"""How many the expert of each task gives; the tasks in order of their dimensions."""


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
    def _count(self) -> int:
        return DEMONSTRATIONS[self.task]

    def ready(self, bench: Workbench) -> Ready:
        data, run = bench.out / f'{self.task}.zarr', bench.out / 'runs' / self.name
        generated = bench.once(
            f'{self.task}-{self._count}',
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
        return self._evaluation.key

    def run(self, bench: Workbench) -> Record:
        task, recipe = self.source.description, self.source.recipe
        policy = methods.make_policy(task, recipe)
        return {
            **self._evaluation.run(bench),
            'dimensions': [task.action_dim, task.horizons.prediction],
            'observed': [task.observation_dim, task.horizons.observation],
            'parameters': sum(weights.numel() for weights in policy.parameters()),
            'demonstrations': DEMONSTRATIONS[task.name],
            'training_steps': recipe.optimiser.steps,
        }

    @property
    def _evaluation(self) -> Evaluation:
        return Evaluation(TABLE, (('task', self.source.task),), self.source, self.starts)


def jobs(starts: Starts) -> list[Job]:
    """A policy for each task, which is taught first."""
    return [Dimension(Taught(task), starts) for task in TITLES]


def rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """In the order of their dimensions."""
    order = list(TITLES)
    return [
        {
            'title': TITLES[record['key']['task']],
            'task': record['key']['task'],
            'size': ' x '.join(map(str, record['dimensions'])),
            'observed': ' x '.join(map(str, record['observed'])),
            **{name: record[name] for name in COPIED},
            **figures([record]),
        }
        for record in sorted(records, key=lambda record: order.index(record['key']['task']))
    ]


COPIED = ('parameters', 'demonstrations', 'training_steps', 'chunk_ms')
