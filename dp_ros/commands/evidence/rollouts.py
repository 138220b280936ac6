"""Table: as the paper measures on its robot; 20 rollouts of 60 s, judged at their end."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dp_ros.commands.evidence import statistics
from dp_ros.commands.evidence.contenders import Contender
from dp_ros.commands.evidence.demonstrations import HUMAN, Demonstrations
from dp_ros.commands.evidence.evaluation import STEP_S, Evaluation, Starts
from dp_ros.commands.evidence.jobs import Job, Record
from dp_ros.commands.evidence.methods import ORDER, labels
from dp_ros.commands.evidence.sources import Trained

TABLE = 'rollouts'
STARTS = Starts(20, 12_000)
STEPS = 600
SEED = 0


def people() -> list[Job]:
    """The demonstrations."""
    return [Demonstrations(TABLE)]


def jobs(contenders: Sequence[Contender]) -> list[Job]:
    """The first training seed of each contender."""
    return [
        Evaluation(
            TABLE,
            (('method', contender.key),),
            Trained(contender, SEED),
            STARTS,
            ('--limit-steps', str(STEPS)),
        )
        for contender in contenders
    ]


def rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """A row for each method; none before people are there to compare with."""
    found = {record['key']['method']: record for record in records}
    if HUMAN not in found:
        return []
    lowest = min(found[HUMAN]['coverage_last'])
    return [_row(method, found[method], lowest) for method in ORDER if method in found]


def _row(method: str, record: Record, lowest: float) -> dict[str, Any]:
    last = np.array(record['coverage_last'])
    return {
        **labels(method),
        'rollouts': len(last),
        'success': statistics.rate(int((last >= lowest).sum()), len(last)),
        'iou': float(statistics.iou(last).mean()),
        'ious': statistics.iou(last).tolist(),
        'duration_s': float(np.mean(record['steps'])) * STEP_S,
    }
