"""report.json: episodes and the health of the graph that ran them, from what the topics said."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dp_ros.sim.episode_record import EpisodeRecord
from dp_ros.sim.score import Score


def build(
    records: Sequence[EpisodeRecord],
    chunks: Mapping[int, Mapping[str, float]],
    executor: Mapping[str, str],
    sim: Mapping[str, str],
    score: Score,
) -> dict[str, Any]:
    """The report without checkpoint and versions.

    chunks: figures of each chunk by splice time, as inference and executor reported them;
    executor, sim: the last values of their diagnostics.
    """
    episodes = [record.summary(score.success_iou) for record in records]
    # A chunk was whole when both ends have spoken of it.
    whole = [c for c in chunks.values() if 'inference_ms' in c and 'transport_ms' in c]
    stages = {
        name: _percentiles([c[f'{name}_ms'] for c in whole])
        for name in ('window', 'inference', 'transport')
    }
    latency = [c['window_ms'] + c['inference_ms'] + c['transport_ms'] for c in whole]

    def number(name: str) -> float:
        return float(executor.get(name, 0))

    policy_ticks = number('policy_ticks')
    return {
        'episodes': episodes,
        'success_rate': _mean([e['success'] for e in episodes]),
        'coverage_rate': _mean([e['coverage_max'] > 0.95 for e in episodes]),
        'mean_score': _mean([e['score'] for e in episodes]),
        'success_iou': score.success_iou,
        'lowest_demonstration_iou': score.lowest_iou,
        'chunk': {
            'count': len(whole),
            'latency_ms': _percentiles(latency),
            'stages_ms': stages,
        },
        'executor': {
            'rate_hz': round(number('rate_hz'), 2),
            'period_ms': {
                name: round(number(f'period_ms_{name}'), 2) for name in ('p50', 'p99', 'max')
            },
            'idle_fraction': round(number('idle_ticks') / policy_ticks, 4) if policy_ticks else 0,
            'late_actions_dropped': int(number('chunks_late')),
            'limit_interventions': {
                name.removeprefix('limited_'): int(count)
                for name, count in executor.items()
                if name.startswith('limited_')
            },
        },
        'arm': {
            'driver': executor.get('driver', ''),
            'address': executor.get('address', ''),
            'protective_stops': int(number('protective_stops')),
        },
        'sim': {'real_time_factor': float(sim.get('real_time_factor', 0))},
    }


def line(episode: Mapping[str, Any]) -> str:
    """One episode in one line."""
    verdict = 'success' if episode['success'] else 'no success'
    return (
        f'seed {episode["seed"]}  {verdict:10s}  coverage {episode["coverage_max"]:.3f}  '
        f'IoU {episode["iou_last"]:.3f}  {episode["duration_s"]:5.1f} s  ({episode["ending"]})'
    )


def as_json(report: Mapping[str, Any]) -> str:
    """Readable JSON text."""
    return json.dumps(report, indent=2, allow_nan=False) + '\n'


def _percentiles(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {'p50': None, 'p99': None}
    p50, p99 = np.percentile(values, [50, 99])
    return {'p50': round(float(p50), 2), 'p99': round(float(p99), 2)}


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4) if len(values) else 0.0
