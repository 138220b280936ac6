"""The progress bar of a training run, and a line for each validation."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from dp_ros.learning import job
from dp_ros.learning.job import Report


@contextmanager
def training_bar(console: Console) -> Iterator[Report]:
    """A report that draws; a row for each stage of the run, from when it begins."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn('{task.fields[figures]}'),
    )
    rows: dict[str, TaskID] = {}
    with Progress(*columns, console=console) as bar:

        def report(progress: job.Progress) -> None:
            if progress.stage not in rows:
                rows[progress.stage] = bar.add_task(
                    progress.stage, total=progress.steps, figures=''
                )
            if progress.figures:
                named = [f'{k.replace("_", " ")} {v:.4g}' for k, v in progress.figures.items()]
                bar.console.print(f'step {progress.step}: {", ".join(named)}')
            figures = f'loss {progress.loss:.4f}' if progress.stage == 'training' else ''
            bar.update(rows[progress.stage], completed=progress.step, figures=figures)

        yield report
