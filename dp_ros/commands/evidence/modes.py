"""Table: which way each method goes round the T, where two are equally good."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dp_ros.commands.evidence import statistics
from dp_ros.commands.evidence.contenders import TASK, Contender
from dp_ros.commands.evidence.jobs import Job, Record
from dp_ros.commands.evidence.methods import ORDER, labels
from dp_ros.commands.evidence.sources import FromSource, Source, Trained
from dp_ros.commands.evidence.workbench import Workbench, short
from dp_ros.sim.stem import START

TABLE = 'modes'
ROLLOUTS = 40
SEED = 0


@dataclass(frozen=True)
class Modes(FromSource):
    """A job: `dp-ros benchmark modes` of one method."""

    method: str
    source: Source
    rollouts: int = ROLLOUTS
    table: str = TABLE

    @property
    def key(self) -> dict[str, Any]:
        return {
            'method': self.method,
            'origin': self.source.identity,
            'rollouts': self.rollouts,
            'start': np.round(START, 3).tolist(),
        }

    def run(self, bench: Workbench) -> Record:
        ready = self.source.ready(bench)
        title = f'{TABLE}-{self.source.name}'
        out = bench.out / 'evaluations' / title
        rolled = bench.command(
            title,
            [
                'benchmark', 'modes', short(ready.folder), '--rollouts', str(self.rollouts),
                '-o', str(out),
            ],
        )  # fmt: skip
        report = json.loads((out / 'modes.json').read_text())
        return {
            'key': self.key,
            'commands': [*ready.commands, rolled],
            'checkpoint': report['checkpoint']['identity'],
            'ways': report['ways'],
        }


def jobs(contenders: Sequence[Contender]) -> list[Job]:
    """The first training seed of those contenders that learn whole chunks."""
    chunked = [contender for contender in contenders if contender.task == TASK]
    return [Modes(contender.key, Trained(contender, SEED)) for contender in chunked]


def rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """A row for each method, with its ways."""
    return [
        _row(record)
        for record in sorted(records, key=lambda record: ORDER.index(record['key']['method']))
    ]


def _row(record: Record) -> dict[str, Any]:
    ways = record['ways']
    sides = Counter(way['side'] for way in ways)
    around = sides['left'] + sides['right']
    return {
        **labels(record['key']['method']),
        'ways': ways,
        'rollouts': len(ways),
        'sides': dict(sides),
        'right': statistics.rate(sides['right'], around) if around else None,
        'switches': float(np.mean([way['switches'] for way in ways])),
    }
