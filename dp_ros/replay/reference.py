"""A golden reference: what a replay gave once, small enough to be kept beside its bag.

Compared field by field. Digests of windows are left out: another processor may round the last
digit of an interpolation in another way. Nothing here comes from a clock on the wall.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dp_ros import atomic
from dp_ros.replay import report
from dp_ros.replay.guards import ReplayError
from dp_ros.replay.injection import Injection, Link
from dp_ros.replay.replay import SWITCH, Declared, Replay
from dp_ros.task import CartesianAction

FORMAT = 1
# Commands are kept this often, values to a hundredth of a millimetre or milliradian.
COMMAND_PERIOD_NS = 40_000_000
DIGITS = 5
POSE_COLUMNS = ('x', 'y', 'z', 'qx', 'qy', 'qz', 'qw')

Place = tuple[Any, ...]
Unlike = tuple[Place, Any, Any]


@dataclass(frozen=True)
class Difference:
    """One field that is not as it was; chunk: its number, '' for what concerns no chunk."""

    chunk: str
    field: str
    expected: str
    found: str
    by: str = ''


def reduced(replay: Replay) -> dict[str, Any]:
    """What is kept of a replay; times in ms since the bag's first message, values in m and rad."""
    full = report.report(replay)
    chunks = [
        {
            **{k.replace('_ns', '_ms'): _ms(chunk[k]) for k in chunk if k.endswith('_ns')},
            'verdict': chunk['verdict'],
            'actions': [[round(v, DIGITS) for v in row] for row in chunk['actions']],
        }
        for chunk in full['chunks']
    ]
    kept = ('bag', 'task', 'checkpoint', 'seed', 'processing_ns', 'injection')
    counted = ('verdicts', 'refusals', 'limited', 'lost', 'refused_arming')
    return {
        'format': FORMAT,
        **{key: full[key] for key in ('transition',) if key in full},
        **{key: full[key] for key in (*kept, *counted)},
        'modes': [[_ms(m['from_ns']), m['mode'], m['reason']] for m in full['modes']],
        'chunks': chunks,
        'commands': list(_commands(full['ticks'])),
    }


def declared(reference: dict[str, Any]) -> Declared:
    """What the replay of a reference was asked for, so that it can be asked for again."""
    links = {**reference['injection']}
    seed, every = links.pop('seed'), Link(**links.pop('every'))
    topics = {topic: Link(**link) for topic, link in links.items()}
    injection = Injection(every, topics, seed)
    transition = reference.get('transition', SWITCH)
    return Declared(reference['seed'], reference['processing_ns'], injection, transition)


def write(replay: Replay, path: Path) -> None:
    """Keep a replay as the reference, whole or not at all."""
    atomic.write_text(path, report.text(reduced(replay)))


def read(path: Path) -> dict[str, Any]:
    """Raises ReplayError for what is no reference, or one that holds nothing."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise ReplayError(f'{path}: no such reference; --update-reference writes it') from None
    except (ValueError, OSError) as error:
        raise ReplayError(f'{path} cannot be read as a reference: {error}') from None
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise ReplayError(
            f'{path} is no reference of format {FORMAT}; --update-reference writes it anew'
        )
    empty = [key for key in ('chunks', 'commands') if not content.get(key)]
    if empty:
        raise ReplayError(
            f'{path} holds nothing to compare with: no {" and no ".join(empty)}; write it anew '
            f'with --update-reference'
        )
    return content


def differences(expected: dict[str, Any], replay: Replay, tolerance: float) -> list[Difference]:
    """Fields of a replay that are not as expected; tolerance in m and rad (and ms).

    Of the actions of one chunk, and of all commands, the largest difference stands for the rest.
    """
    found = json.loads(report.text(reduced(replay)))
    groups: dict[Place, list[Unlike]] = {}
    for unlike in _unlike(expected, found, (), tolerance):
        groups.setdefault(_group(unlike[0]), []).append(unlike)
    return [_difference(group, replay) for group in groups.values()]


def _unlike(old: Any, new: Any, place: Place, tolerance: float) -> Iterator[Unlike]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(k for k in new if k not in old)]:
            yield from _unlike(old.get(key), new.get(key), (*place, key), tolerance)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield (*place, 'length'), len(old), len(new)
        for i, (a, b) in enumerate(zip(old, new, strict=False)):
            yield from _unlike(a, b, (*place, i), tolerance)
    elif not _agree(old, new, tolerance):
        yield place, old, new


def _agree(old: Any, new: Any, tolerance: float) -> bool:
    distance = _distance(old, new)
    if distance is not None and (isinstance(old, float) or isinstance(new, float)):
        # Both are rounded: what differs by the tolerance in decimals must not in binary.
        return distance <= tolerance + 1e-9
    return bool(old == new)


def _group(place: Place) -> Place:
    """What is told in one line."""
    if place[0] == 'chunks' and len(place) == 5:
        return place[:3]
    return place[:1] if place[0] == 'commands' and len(place) == 3 else place


def _difference(group: list[Unlike], replay: Replay) -> Difference:
    place, old, new = max(group, key=lambda unlike: _distance(unlike[1], unlike[2]) or 0.0)
    chunk, rest = '', list(place)
    if rest[0] == 'chunks' and len(rest) > 2:
        chunk, rest = str(rest[1]), rest[2:]
    if len(rest) == 3 and rest[0] in ('actions', 'commands'):
        rest[2] = _columns(rest[0], replay)[rest[2]]
    field = ' '.join(str(part) for part in rest)
    if len(group) > 1:
        field += f' (largest of {len(group)})'
    by = '' if _distance(old, new) is None else f'{round(new - old, DIGITS):+}'
    return Difference(chunk, field, _shown(old), _shown(new), by)


def _distance(old: Any, new: Any) -> float | None:
    """How far two numbers lie apart; None for anything else."""
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (old, new))
    return float(abs(new - old)) if numbers else None


def _columns(name: str, replay: Replay) -> tuple[str, ...]:
    """Names of the columns of actions and of commands."""
    action = replay.task.action
    if name == 'actions':
        return action.components
    pose = isinstance(action, CartesianAction)
    return ('ms', *(POSE_COLUMNS if pose else replay.robot.arm.joints))


def _shown(value: Any) -> str:
    return 'nothing' if value is None else str(value)


def _commands(ticks: list[Any]) -> Iterator[list[Any]]:
    """[time, values...] of a command every COMMAND_PERIOD_NS."""
    due_ns = -1
    for now_ns, _, values, _ in ticks:
        if values is not None and now_ns >= due_ns:
            due_ns = now_ns + COMMAND_PERIOD_NS
            yield [_ms(now_ns), *(round(v, DIGITS) for v in values)]


def _ms(span_ns: int | None) -> float | None:
    return None if span_ns is None else round(span_ns / 1e6, 3)
