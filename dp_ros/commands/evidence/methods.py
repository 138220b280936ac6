"""Table: the methods against each other, and position against velocity control."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dp_ros.commands.evidence import statistics
from dp_ros.commands.evidence.contenders import BY_KEY, Contender
from dp_ros.commands.evidence.demonstrations import HUMAN, Demonstrations
from dp_ros.commands.evidence.evaluation import Evaluation, Starts, figures
from dp_ros.commands.evidence.jobs import Job, Record, grouped
from dp_ros.commands.evidence.sources import Trained

TABLE = 'methods'
# As in the paper's table: people, diffusion, baselines.
ORDER = (
    HUMAN, 'cnn', 'transformer', 'mlp', 'diffusion_velocity', 'regression', 'lstm_gmm',
    'lstm_gmm_velocity', 'ibc', 'ibc_velocity', 'bet', 'lstm_gmm_single', 'bet_single',
    'cnn_plain', 'bet_plain',
)  # fmt: skip


def people() -> list[Job]:
    """The demonstrations."""
    return [Demonstrations()]


def jobs(contenders: Sequence[Contender], seed: int, starts: Starts) -> list[Job]:
    """One training seed of each contender."""
    return [
        Evaluation(
            TABLE, (('method', contender.key), ('seed', seed)), Trained(contender, seed), starts
        )
        for contender in contenders
    ]


def rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """A row for each method; the training seeds are pooled."""
    groups = {method: found for (method,), found in grouped(records, 'method').items()}
    human = groups.get(HUMAN)
    lowest = min(human[0]['coverage_last']) if human else None
    return [_row(method, groups[method], lowest) for method in ORDER if method in groups]


def labels(method: str) -> dict[str, str]:
    """What a row of a method, or of people, begins with."""
    contender = BY_KEY.get(method)
    return {
        'method': method,
        'title': contender.title if contender else 'Human',
        'control': contender.control if contender else '-',
    }


def _row(method: str, records: Sequence[Record], lowest: float | None) -> dict[str, Any]:
    contender = BY_KEY.get(method)
    last = np.array([record['coverage_last'] for record in records])
    row = {
        **labels(method),
        'paper': contender.paper if contender else '-',
        **figures(records),
        'scores': [float(statistics.scores(record['coverage_max']).mean()) for record in records],
        'iou': float(statistics.iou(last).mean()),
        'as_people': None,
        'chunk_ms': None,
    }
    if lowest is not None:
        row['as_people'] = statistics.rate(int((last >= lowest).sum()), last.size)
    if contender:
        row['chunk_ms'] = float(np.median([record['chunk_ms'] for record in records]))
    return row
