"""The table of a delay benchmark, on the terminal and as markdown."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from dp_ros.commands.markers import put_between

Row = Mapping[str, Any]
BEGIN, END = '<!-- dp-ros benchmark delay: begin -->', '<!-- dp-ros benchmark delay: end -->'


def _refused(row: Row) -> str:
    if 'refused' not in row:
        return '-'
    return f'{sum(row["refused"].values())} / {row["outrun"]}'


def _success(row: Row) -> str:
    low, high = 100 * row['success_low'], 100 * row['success_high']
    return f'{100 * row["success"]:.0f} % ({low:.0f} to {high:.0f})'


def _figure(name: str, form: str, factor: float = 1.0) -> Callable[[Row], str]:
    return lambda row: '-' if row[name] is None else format(row[name] * factor, form)


COLUMNS: dict[str, tuple[tuple[str, Callable[[Row], str]], ...]] = {
    'cell': (
        ('strategy', lambda row: str(row['strategy'])),
        ('added [ms]', lambda row: str(row['delay'])),
        ('delay [ms]', _figure('delay_ms', '.0f')),
        ('episodes', _figure('episodes', 'd', 1)),
        ('success (95 %)', _success),
        ('all [s]', _figure('duration_s', '.1f')),
        ('successes [s]', _figure('duration_of_successes_s', '.1f')),
        ('seam ratio', _figure('seam_ratio', '.2f')),
        ('raw ratio', _figure('seam_ratio_raw', '.2f')),
        ('interior [m/s²]', _figure('interior', '.2f')),
        ('flips', _figure('flips', '.1%')),
        ('ways apart [mm]', _figure('ways_apart', '.1f')),
        ('plans apart [mm]', _figure('plans_apart', '.1f')),
        ('idle', _figure('idle_fraction', '.1%')),
        ('refused / outrun', _refused),
        ('stopped', _figure('stopped', 'd', 1)),
    ),
    'gym': (
        ('strategy', lambda row: str(row['strategy'])),
        ('delay [steps]', lambda row: str(row['delay'])),
        ('episodes', _figure('episodes', 'd', 1)),
        ('success (95 %)', _success),
        ('score', _figure('score', '.3f')),
        ('all [s]', _figure('duration_s', '.1f')),
        ('successes [s]', _figure('duration_of_successes_s', '.1f')),
        ('seam ratio', _figure('seam_ratio', '.2f')),
        ('interior [px/step²]', _figure('interior', '.1f')),
        ('flips', _figure('flips', '.1%')),
        ('ways apart [px]', _figure('ways_apart', '.1f')),
        ('plans apart [px]', _figure('plans_apart', '.1f')),
        ('idle', _figure('idle_fraction', '.1%')),
    ),
}
# What a terminal has room for.
SHORT = ('strategy', 'added [ms]', 'delay [steps]', 'success (95 %)', 'all [s]', 'seam ratio',
         'flips', 'idle')  # fmt: skip
TITLES = {'cell': 'In the cell', 'gym': 'In gym-pusht'}


def table(task: str, rows: Sequence[Row]) -> Table:
    """For the terminal."""
    found = Table(title=TITLES[task])
    columns = [column for column in COLUMNS[task] if column[0] in SHORT]
    for heading, _ in columns:
        found.add_column(heading, justify='left' if heading == 'strategy' else 'right')
    for row in rows:
        found.add_row(*[cell(row) for _, cell in columns])
    return found


def markdown(report: Mapping[str, Any]) -> str:
    """All tables."""
    parts = []
    for task, title in TITLES.items():
        rows = [row for row in report['rows'] if row['task'] == task]
        if rows:
            parts.append(f'### {title}\n\n{_progress(task, report)}{_markdown(task, rows)}')
            if task == 'cell':
                parts.append(_charged(report))
    return '\n\n'.join(parts) + '\n'


def put_into(page: Path, text: str) -> None:
    """Replace what stands between the page's two markers; ValueError where they are missing."""
    put_between(page, text, BEGIN, END)


def _markdown(task: str, rows: Sequence[Row]) -> str:
    columns = COLUMNS[task]
    lines = [
        '| ' + ' | '.join(heading for heading, _ in columns) + ' |',
        '|---' + '|---:' * (len(columns) - 1) + '|',
    ]
    lines += ['| ' + ' | '.join(cell(row) for _, cell in columns) + ' |' for row in rows]
    return '\n'.join(lines)


UNITS = {'cell': 'episodes', 'gym': 'rows of episodes'}


def _progress(task: str, report: Mapping[str, Any]) -> str:
    """A sentence where a sweep was not finished."""
    done, total = report.get('progress', {}).get(task, (0, 0))
    if done == total:
        return ''
    return (
        f'**Not finished: {done} of {total} {UNITS[task]}.** Rows of few episodes say little; the '
        f'command goes on where it stopped.\n\n'
    )


CHARGES = {
    'wall': 'the measured wall time of each prediction',
    'cpu': 'the measured processor time of each prediction',
}


def _charged(report: Mapping[str, Any]) -> str:
    charge = report['charge']
    said = CHARGES.get(charge, f'a declared {charge} for each prediction')
    return f'Charged to the simulated clock: {said}, plus what was added.'
