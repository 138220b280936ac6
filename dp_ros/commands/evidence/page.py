"""The page that tells the results: tables between two markers, pictures beside it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dp_ros import atomic
from dp_ros.commands.evidence import (
    dimensions,
    horizons,
    methods,
    modes,
    pictures,
    rollouts,
    samplers,
    stability,
)
from dp_ros.commands.evidence.jobs import Job, Record
from dp_ros.commands.markers import put_between
from dp_ros.sim.stem import SIDES

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], str]]
BEGIN, END = '<!-- dp-ros benchmark evidence: begin -->', '<!-- dp-ros benchmark evidence: end -->'
LABELS = ('method', 'seed', 'sampler', 'steps', 'varied', 'value', 'step', 'task')


def write(page: Path, records: Mapping[str, Sequence[Record]], open_jobs: Sequence[Job]) -> None:
    """Renew what stands between the markers of `page`, and the pictures in evidence/ beside it."""
    parts = []
    for table, (title, rows_of, columns) in TABLES.items():
        rows = rows_of(records[table])
        if not rows:
            parts.append(f'### {title}\n\nNot run yet.')
            continue
        picture = page.parent / 'evidence' / f'{table}.png'
        pictures.DRAW[table](picture, rows)
        parts.append(
            f'### {title}\n\n![{title}](evidence/{table}.png)\n\n{markdown(columns, rows)}'
        )
    parts.append(_not_run(open_jobs))
    if not page.is_file():
        atomic.write_text(page, f'# Evidence\n\n{BEGIN}\n{END}\n')
    put_between(page, '\n\n'.join(parts) + '\n', BEGIN, END)


def markdown(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """A table."""
    lines = [
        '| ' + ' | '.join(heading for heading, _ in columns) + ' |',
        '|---' + '|---:' * (len(columns) - 1) + '|',
    ]
    lines += ['| ' + ' | '.join(cell(row) for _, cell in columns) + ' |' for row in rows]
    return '\n'.join(lines)


def _not_run(jobs: Sequence[Job]) -> str:
    if not jobs:
        return 'Everything was run.'
    lines = []
    for table in TABLES:
        mine = [job for job in jobs if job.table == table]
        reasons = Counter(
            f'{_what(job)}{f" ({job.missing})" if job.missing else ""}' for job in mine
        )
        if mine:
            told = ', '.join(f'{what} x {n}' if n > 1 else what for what, n in reasons.items())
            lines.append(f'- {TABLES[table][0]}: {told}')
    return '### Not run yet\n\n' + '\n'.join(lines)


TOLD = ('method', 'sampler', 'varied', 'task')


def _what(job: Job) -> str:
    key = job.key if job.missing is None else {'method': job.table}
    return str(next(key[label] for label in TOLD if label in key))


def _number(name: str, form: str) -> Callable[[Row], str]:
    return lambda row: '-' if row[name] is None else format(row[name], form)


def _text(name: str) -> Callable[[Row], str]:
    return lambda row: str(row[name])


def _rate(name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        found = row[name]
        if found is None:
            return '-'
        low, high = 100 * found['low'], 100 * found['high']
        return f'{100 * found["share"]:.0f} % ({low:.0f} to {high:.0f})'

    return cell


def _score(row: Row) -> str:
    return f'{row["score"]["mean"]:.3f} ± {row["score"]["error"]:.3f}'


def _side(side: str) -> Callable[[Row], str]:
    return lambda row: str(row['sides'].get(side, 0))


VARIED = {'action_steps': 'T_a', 'delay_steps': 'delay'}

TABLES: dict[str, tuple[str, Callable[[Sequence[Record]], list[dict[str, Any]]],
                        tuple[Column, ...]]] = {
    'methods': ('Methods, and position against velocity control', methods.rows, (
        ('method', _text('title')),
        ('control', _text('control')),
        ('training seeds', _text('seeds')),
        ('episodes of each', _text('episodes')),
        ('score', _score),
        ('success (95 %)', _rate('success')),
        ('last IoU', _number('iou', '.2f')),
        ('as good as people (95 %)', _rate('as_people')),
        ('duration [s]', _number('duration_s', '.1f')),
        ('chunk [ms]', _number('chunk_ms', '.1f')),
        ('paper: score', _text('paper')),
    )),
    'rollouts': ('Rollouts, as on the robot of the paper', rollouts.rows, (
        ('method', _text('title')),
        ('control', _text('control')),
        ('rollouts', _text('rollouts')),
        ('success (95 %)', _rate('success')),
        ('last IoU', _number('iou', '.2f')),
        ('duration [s]', _number('duration_s', '.1f')),
    )),
    'samplers': ('Samplers', samplers.rows, (
        ('sampler', _text('sampler')),
        ('steps', _text('steps')),
        ('episodes', _text('episodes')),
        ('score', _score),
        ('success (95 %)', _rate('success')),
        ('chunk [ms]', _number('chunk_ms', '.1f')),
    )),
    'horizons': ('Horizons and delay', horizons.rows, (
        ('varied', lambda row: VARIED[row['varied']]),
        ('steps', _text('value')),
        ('episodes', _text('episodes')),
        ('success (95 %)', _rate('success')),
        ('score', _score),
        ('duration [s]', _number('duration_s', '.1f')),
    )),
    'modes': ('Modes', modes.rows, (
        ('method', _text('title')),
        ('control', _text('control')),
        ('rollouts', _text('rollouts')),
        *((side, _side(side)) for side in SIDES),
        ('right, of those that went round (95 %)', _rate('right')),
        ('changes of side in a rollout', _number('switches', '.2f')),
    )),
    'stability': ('Stability', stability.rows, (
        ('method', _text('title')),
        ('checkpoints', lambda row: str(len(row['points']))),
        ('best score', _number('best', '.3f')),
        ('mean score of the last four', _number('late', '.3f')),
        ('change from one to the next, late', _number('jump', '.3f')),
    )),
    'dimensions': ('Dimensions', dimensions.rows, (
        ('action', _text('title')),
        ('chunk', _text('size')),
        ('observed', _text('observed')),
        ('parameters', _number('parameters', ',')),
        ('demonstrations', _text('demonstrations')),
        ('training steps', _text('training_steps')),
        ('episodes', _text('episodes')),
        ('success (95 %)', _rate('success')),
        ('duration [s]', _number('duration_s', '.1f')),
        ('chunk [ms]', _number('chunk_ms', '.1f')),
    )),
}  # fmt: skip
"""Of each table: its heading, rows from records, and columns."""
