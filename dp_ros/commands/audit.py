"""dp-ros dataset audit: recorded episodes weighed, as a table, a picture and JSON."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from dp_ros import atomic
from dp_ros.data import episode as episodes
from dp_ros.data.audit import Audit, Thresholds, audit, load_thresholds, with_copies
from dp_ros.data.audit.conduct import POLICY, TELEOPERATED
from dp_ros.data.bag_repair import BagError
from dp_ros.robot import Robot, load_robot
from dp_ros.task import Task, load_task


@dataclass(frozen=True)
class Damaged:
    """An episode that cannot be audited, and why."""

    folder: Path
    error: str


Row = Audit | Damaged


def run(
    bags: Sequence[Path],
    out: Path,
    task_file: Path | None,
    robot_file: Path | None,
    thresholds_file: Path,
    console: Console,
) -> bool:
    """Audit every episode in `bags`, print a table, write audit.json and audit.png to `out`.

    Returns whether there is nothing to complain of.
    """
    from dp_ros.commands import audit_picture

    thresholds = load_thresholds(thresholds_file)
    task = load_task(task_file) if task_file else None
    robot = load_robot(robot_file) if robot_file else None
    rows = audit_all(episodes.find_episodes(bags), task, robot, thresholds, console)
    names = short_names([row.folder for row in rows])
    console.print(_table(rows, names))
    _complain(rows, names, console)
    atomic.write_text(out / 'audit.json', as_json(rows, thresholds))
    audit_picture.draw(rows, names, thresholds, out / 'audit.png')
    console.print(f'{out / "audit.json"}, {out / "audit.png"}', soft_wrap=True)
    return all(isinstance(row, Audit) and not row.complaints for row in rows)


def audit_all(
    folders: Sequence[Path],
    task: Task | None,
    robot: Robot | None,
    thresholds: Thresholds,
    console: Console,
) -> list[Row]:
    """One row for each folder; `task` and `robot` default to those that it was recorded with."""
    rows: list[Row] = []
    columns = (TextColumn('episodes'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        progress = bar.add_task('', total=len(folders))
        for number, folder in enumerate(folders):

            def step(share: float, number: int = number) -> None:
                bar.update(progress, completed=number + share)

            try:
                used = circumstances(folder, task, robot)
                rows.append(audit(folder, *used, thresholds, step))
            except (ValueError, OSError) as error:
                rows.append(Damaged(folder, str(error)))
            bar.update(progress, completed=number + 1)
    sound = iter(with_copies([row for row in rows if isinstance(row, Audit)]))
    return [next(sound) if isinstance(row, Audit) else row for row in rows]


def circumstances(folder: Path, task: Task | None, robot: Robot | None) -> tuple[Task, Robot]:
    """What was given, or else what stands in the episode.yaml of `folder`; raises ValueError."""
    if task is not None and robot is not None:
        return task, robot
    if not (folder / episodes.FILE).exists():
        raise BagError(f'{folder} has no {episodes.FILE}; give --task and --robot')
    own_task, own_robot = episodes.settings(folder)
    return task or own_task, robot or own_robot


def short_names(folders: Sequence[Path]) -> list[str]:
    """The folders below the one that they all share."""
    shared = os.path.commonpath([folder.resolve().parent for folder in folders])
    return [os.path.relpath(folder.resolve(), shared) for folder in folders]


def as_json(rows: Sequence[Row], thresholds: Thresholds) -> str:
    """Every figure, and the thresholds that it was held against."""
    told = {
        'thresholds': thresholds.model_dump(mode='json'),
        'episodes': [_as_values(row) for row in rows],
    }
    return json.dumps(told, indent=2, default=str, ensure_ascii=False) + '\n'


def _as_values(row: Row) -> dict[str, Any]:
    values = asdict(row)
    if isinstance(row, Damaged):
        return values
    for told, stream in zip(values['streams'], row.streams, strict=True):
        told['drops'] = stream.drops
    values['windows']['lost'] = row.windows.lost
    return values | {
        'modes': row.modes,
        'interventions': row.interventions,
        'idle_share': row.idle_share,
        'limited_share': row.limited_share,
        'chunks_refused': row.chunks_refused,
    }


def _worst(values: Iterable[float]) -> float:
    return max(values, default=0.0)


COLUMNS: dict[str, Callable[[Audit], str]] = {
    'outcome': lambda a: a.outcome,
    'sec': lambda a: f'{a.seconds:.1f}',
    'policy': lambda a: f'{a.modes.get(POLICY, 0):.1f}',
    'person': lambda a: f'{a.modes.get(TELEOPERATED, 0):.1f}',
    'taken': lambda a: str(a.interventions),
    'lost': lambda a: f'{a.windows.lost:.1%}',
    'drops': lambda a: f'{_worst(s.drops for s in a.streams):.1%}',
    'gap': lambda a: f'{_worst(s.gap_ms for s in a.streams):.0f}',
    'late': lambda a: f'{_worst(s.latency.p99 for s in a.streams if s.latency):.0f}',
    'skew': lambda a: f'{_worst(s.skew.p99 for s in a.streams if s.skew):.0f}',
    'twice': lambda a: str(sum(s.duplicates for s in a.streams)),
    'order': lambda a: str(sum(s.out_of_order for s in a.streams)),
    'same': lambda a: str(sum(s.frozen for s in a.streams)),
    'idle': lambda a: f'{a.idle_longest_s:.1f}',
    'limit': lambda a: f'{a.limited_share:.0%}',
    'refused': lambda a: str(a.chunks_refused),
    'stops': lambda a: str(a.protective_stops),
}
MEANINGS = {
    'sec': 'seconds',
    'policy': 'seconds commanded by the policy',
    'person': 'and by a person',
    'taken': 'times a person took over',
    'lost': 'windows that cannot be had',
    'drops': "the worst stream's missing samples",
    'gap': 'its largest gap [ms]',
    'late': 'from stamp to arrival, 99th percentile [ms]',
    'skew': 'frames before the grid, 99th percentile [ms]',
    'twice': 'stamps seen before',
    'order': 'samples out of order',
    'same': 'frozen frames',
    'idle': 'longest stretch commanded but still [s]',
    'limit': 'time at any one limit',
    'refused': 'chunks',
    'stops': 'protective ones',
}


def _table(rows: Sequence[Row], names: Sequence[str]) -> Table:
    """A row an episode; a column that says nothing but 0 is left out."""
    sound = [row for row in rows if isinstance(row, Audit)]
    cells = {heading: [tell(row) for row in sound] for heading, tell in COLUMNS.items()}
    shown = [name for name, texts in cells.items() if any(t.strip('0.%') for t in texts)]
    told = '; '.join(f'{name}: {MEANINGS[name]}' for name in shown if name in MEANINGS)
    made = Table(
        caption=Text(told), caption_justify='left', box=None, pad_edge=False, collapse_padding=True
    )
    made.add_column('episode', overflow='fold')
    for name in shown:
        made.add_column(name, justify='left' if name == 'outcome' else 'right', no_wrap=True)
    for row, name in zip(rows, names, strict=True):
        if isinstance(row, Damaged):
            made.add_row(name, 'unread', style='red')
        else:
            style = 'yellow' if row.complaints else ''
            made.add_row(name, *(COLUMNS[heading](row) for heading in shown), style=style)
    return made


def _complain(rows: Sequence[Row], names: Sequence[str], console: Console) -> None:
    """Below the table: what is wrong with whom, in words."""
    wrong = 0
    for row, name in zip(rows, names, strict=True):
        said = (row.error,) if isinstance(row, Damaged) else row.complaints
        wrong += bool(said)
        for sentence in said:
            colour = 'red' if isinstance(row, Damaged) else 'yellow'
            console.print(Text.assemble((f'{name}: ', colour), sentence), soft_wrap=True)
    console.print(f'{len(rows)} episodes, {wrong} with complaints')
