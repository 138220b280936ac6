"""From the records of a delay benchmark to the rows of its table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from dp_ros.core.seams import Roughness, Squares

Record = Mapping[str, Any]

FLIP = 30.0
"""Mean distance of the ways of two plans [mm in the cell, px in gym] from which on it is another.

The thickness of the T's bar: a way further off leads to another place to push at.
"""

GYM_STEP_S = 0.1


def rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """One row for each strategy and delay, in the order of the records."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        key = (record['task'], record['strategy'], record['delay'])
        groups.setdefault(key, []).append(record)
    return [_row(*key, group) for key, group in groups.items()]


def _row(task: str, strategy: str, delay: str, group: list[Record]) -> dict[str, Any]:
    episodes = _gym_episodes(group) if task == 'gym' else group
    successes = sum(e['success'] for e in episodes)
    low, high = binomtest(successes, len(episodes)).proportion_ci(method='wilson')
    roughness = sum((_roughness(record['roughness']) for record in group), Roughness())
    # The cell counts in metres, its accelerations stay in m/s^2.
    unit = 1e3 if task == 'cell' else 1.0
    pairs = [apart for record in group for apart in record['apart']]
    ways = np.array([pair['way'] for pair in pairs]) * unit
    timed = np.array([pair['timed'] for pair in pairs]) * unit
    durations = np.array([e['duration_s'] for e in episodes])
    placed = durations[[bool(e['success']) for e in episodes]]
    row = {
        'task': task,
        'strategy': strategy,
        'delay': delay,
        'checkpoint': group[0]['checkpoint'],
        'episodes': len(episodes),
        'successes': successes,
        'success': successes / len(episodes),
        'success_low': float(low),
        'success_high': float(high),
        'score': float(np.mean([min(e['coverage_max'] / 0.95, 1.0) for e in episodes])),
        'duration_s': _mean(durations),
        'duration_of_successes_s': _mean(placed),
        'seam_ratio': _number(roughness.ratio),
        'seam_ratio_raw': _number(roughness.raw_ratio),
        'interior': _number(roughness.interior),
        'ways_apart': _mean(ways),
        'plans_apart': _mean(timed),
        'flips': _mean(ways > FLIP),
        'plans_compared': len(pairs),
        'idle_fraction': sum(r['idle_ticks'] for r in group)
        / max(1, sum(r['ticks'] for r in group)),
    }
    if task == 'cell':
        row |= {
            'splices': sum(r['splices'] for r in group),
            'outrun': sum(r['outrun'] for r in group),
            'refused': dict(sum((Counter(r['refused']) for r in group), Counter())),
            'stopped': sum(r['ending'] not in ('placed', 'time limit') for r in group),
            'thought_ms': _mean(np.concatenate([r['took_ms'] for r in group])),
            'delay_ms': _mean(np.concatenate([r['delays_ms'] for r in group])),
            'charge': group[0]['charge'],
        }
    return row


def _gym_episodes(group: list[Record]) -> list[dict[str, Any]]:
    return [
        {**episode, 'duration_s': episode['steps'] * GYM_STEP_S}
        for record in group
        for episode in record['episodes']
    ]


def _roughness(values: Mapping[str, Mapping[str, float]]) -> Roughness:
    parts = {name: Squares(v['total'], int(v['count'])) for name, v in values.items()}
    return Roughness(**parts)


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
