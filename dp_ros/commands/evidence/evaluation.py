"""One `dp-ros evaluate`, and what is kept of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dp_ros.commands.evidence import statistics
from dp_ros.commands.evidence.jobs import Record
from dp_ros.commands.evidence.sources import FromSource, Source
from dp_ros.commands.evidence.workbench import Workbench, short

STEP_S = 0.1


@dataclass(frozen=True)
class Starts:
    """Which episodes are played: `count` of them, from seed `first` on."""

    count: int = 50
    first: int = 10_000


@dataclass(frozen=True)
class Evaluation(FromSource):
    """A job: the episodes of `starts` with one checkpoint. labels: the rest of its key."""

    table: str
    labels: tuple[tuple[str, Any], ...]
    source: Source
    starts: Starts
    options: tuple[str, ...] = ()

    @property
    def key(self) -> dict[str, Any]:
        return {
            **dict(self.labels),
            'origin': self.source.identity,
            'episodes': self.starts.count,
            'first_seed': self.starts.first,
        }

    def run(self, bench: Workbench) -> Record:
        ready = self.source.ready(bench)
        parts = [self.table, self.source.name, *(str(value) for _, value in self.labels)]
        title = '-'.join(parts).replace('/', '-')
        out = bench.out / 'evaluations' / title
        evaluated = bench.command(
            title,
            [
                'evaluate', short(ready.folder), '--episodes', str(self.starts.count),
                '--seed', str(self.starts.first), *self.options, '-o', str(out),
            ],
        )  # fmt: skip
        report = json.loads((out / 'evaluation.json').read_text())
        return {
            'key': self.key,
            'commands': [*ready.commands, evaluated],
            'checkpoint': report['checkpoint']['identity'],
            'chunk_ms': round(report['chunk_ms'], 2),
            **outcomes(report['episodes']),
        }


def outcomes(episodes: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """Coverage and length of each episode, in columns."""
    return {
        name: [round(float(episode[name]), 4) for episode in episodes]
        for name in ('coverage_max', 'coverage_last', 'steps')
    }


def figures(records: Sequence[Record]) -> dict[str, Any]:
    """Score, success and duration of records that differ in nothing but the training seed."""
    best = np.array([record['coverage_max'] for record in records])  # (seeds, episodes)
    steps = np.array([record['steps'] for record in records])
    successes = int((best > statistics.SUCCESS_COVERAGE).sum())
    return {
        'seeds': len(records),
        'episodes': best.shape[1],
        'score': statistics.mean(statistics.scores(best)),
        'success': statistics.rate(successes, best.size),
        'duration_s': float(steps.mean()) * STEP_S,
    }
