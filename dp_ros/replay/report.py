"""A replay as plain values and as text: the same replay is always the same bytes."""

import json
from collections import Counter
from typing import Any

from dp_ros.core.stamped import Array
from dp_ros.data.command_track import as_action
from dp_ros.replay.lockstep import Planned
from dp_ros.replay.replay import SWITCH, Replay


def told(replay: Replay, planned: Planned) -> str | None:
    """The digest of the window that the live node planned from at this anchor, if it did."""
    return replay.recording.told.get(planned.plan.anchor_ns)


def report(replay: Replay) -> dict[str, Any]:
    """Everything, in full precision; times are nanoseconds since `begin_ns`."""
    outcome, begin = replay.outcome, replay.recording.begin_ns
    return {
        'bag': replay.bag,
        'task': replay.task.name,
        'checkpoint': {'name': replay.checkpoint, 'identity': replay.identity},
        **declared(replay),
        'begin_ns': begin,
        'stretches': [
            {'mode': s.mode, 'begin_ns': s.begin_ns - begin, 'end_ns': s.end_ns - begin}
            for s in replay.recording.stretches
        ],
        'verdicts': _sorted(outcome.verdicts),
        'refusals': _sorted(outcome.refusals),
        'limited': _sorted(outcome.limited),
        'lost': _sorted(outcome.lost),
        'refused_arming': list(outcome.refused_arming),
        'troubles': list(outcome.troubles),
        'modes': modes(replay),
        'comparison': {m.name: m.described() for m in replay.measures},
        'chunks': [_chunk(replay, planned) for planned in outcome.planned],
        'ticks': [
            [tick.now_ns - begin, tick.mode, _plain(tick.command), list(tick.limits)]
            for tick in outcome.ticks
        ],
    }


def declared(replay: Replay) -> dict[str, Any]:
    """What the replay was asked for."""
    transition = replay.declared.transition
    return {
        **({} if transition == SWITCH else {'transition': transition}),
        'seed': replay.declared.seed,
        'processing_ns': replay.declared.processing_ns,
        'injection': replay.declared.injection.described(),
    }


def modes(replay: Replay) -> list[dict[str, Any]]:
    """Every change of the executor's mode, and why."""
    found: list[dict[str, Any]] = []
    for tick in replay.outcome.ticks:
        if not found or (found[-1]['mode'], found[-1]['reason']) != (tick.mode, tick.reason):
            from_ns = tick.now_ns - replay.recording.begin_ns
            found.append({'from_ns': from_ns, 'mode': tick.mode, 'reason': tick.reason})
    return found


def text(values: dict[str, Any]) -> str:
    """JSON with one element of a list a line, so that two files can be compared by eye."""
    lines = [f'{json.dumps(key)}: {_value(value)}' for key, value in values.items()]
    return '{\n' + ',\n'.join(lines) + '\n}\n'


def _value(value: Any) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value, allow_nan=False)
    return '[\n' + ',\n'.join(json.dumps(row, allow_nan=False) for row in value) + '\n]'


def _chunk(replay: Replay, planned: Planned) -> dict[str, Any]:
    plan, begin = planned.plan, replay.recording.begin_ns
    live = told(replay, planned)
    return {
        'anchor_ns': plan.anchor_ns - begin,
        'covered_ns': plan.covered_ns - begin,
        'done_ns': plan.done_ns - begin,
        'offered_ns': None if planned.offered_ns is None else planned.offered_ns - begin,
        'splice_ns': None if plan.chunk is None else plan.chunk.splice_ns - begin,
        'verdict': planned.verdict,
        'window': plan.window,
        'live_window': live,
        'same_window': None if live is None else live == plan.window,
        'actions': as_action(replay.task, plan.waypoints).tolist(),
    }


def _plain(values: Array | None) -> list[float] | None:
    return None if values is None else values.tolist()


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
