"""Table: loss, action error and score over training, from checkpoint to checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dp_ros.commands.evidence.contenders import BY_KEY, Contender
from dp_ros.commands.evidence.evaluation import Evaluation, Starts, figures
from dp_ros.commands.evidence.jobs import Job, Record, grouped
from dp_ros.commands.evidence.sources import FromSource, Kept, Trained
from dp_ros.commands.evidence.workbench import Workbench

TABLE = 'stability'
SEED = 0
TAGS = {'loss': 'loss/training', 'validation_loss': 'validation_loss', 'error': 'action_error'}
POINTS = 60
"""That a curve of many is thinned to, by means."""


@dataclass(frozen=True)
class Curves(FromSource):
    """A job: what TensorBoard holds of a watched run."""

    method: str
    source: Trained
    table: str = TABLE

    @property
    def key(self) -> dict[str, Any]:
        return {'method': self.method, 'step': None, 'origin': self.source.identity}

    def run(self, bench: Workbench) -> Record:
        ready = self.source.ready(bench)
        return {
            'key': self.key,
            'commands': list(ready.commands),
            'curves': curves(self.source.folder(bench)),
        }


def curves(folder: Path) -> dict[str, list[list[float]]]:
    """Points (step, value) of the curves of a run, by name; a resumed run has each step once."""
    events = EventAccumulator(str(folder), size_guidance={'scalars': 0})
    events.Reload()
    there = events.Tags()['scalars']
    return {
        name: _thinned({event.step: event.value for event in events.Scalars(tag)})
        for name, tag in TAGS.items()
        if tag in there
    }


def _thinned(values: dict[int, float]) -> list[list[float]]:
    points = np.array(sorted(values.items()))  # (n, 2)
    parts = np.array_split(points, min(POINTS, len(points)))
    return [[round(float(step)), float(f'{value:.5g}')] for step, value in map(_centre, parts)]


def _centre(part: np.ndarray) -> np.ndarray:
    mean: np.ndarray = part.mean(axis=0)
    return mean


def jobs(contenders: Sequence[Contender], starts: Starts) -> list[Job]:
    """The first training seed of the contenders that are watched."""
    found: list[Job] = []
    for contender in contenders:
        run = Trained(contender, SEED)
        if not contender.watched:
            continue
        found.append(Curves(contender.key, run))
        if run.missing:
            continue
        found += [
            Evaluation(TABLE, (('method', contender.key), ('step', step)), Kept(run, step), starts)
            for step in run.kept_steps
        ]
    return found


def rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """A row for each method: its curves, and figures at each kept step."""
    return [_row(method, found) for (method,), found in grouped(records, 'method').items()]


def _row(method: str, records: Sequence[Record]) -> dict[str, Any]:
    drawn = [record['curves'] for record in records if record['key']['step'] is None]
    kept = sorted(
        (record for record in records if record['key']['step'] is not None),
        key=lambda record: record['key']['step'],
    )
    points = [{'step': record['key']['step'], **figures([record])} for record in kept]
    scores = np.array([point['score']['mean'] for point in points])
    return {
        'method': method,
        'title': BY_KEY[method].title,
        'curves': drawn[0] if drawn else {},
        'points': points,
        'best': float(scores.max()) if points else None,
        'late': float(scores[-4:].mean()) if points else None,
        'jump': float(np.abs(np.diff(scores[-5:])).mean()) if len(points) > 1 else None,
    }
