"""Does what is not there yet, and tells what is: the one command behind docs/evidence.md."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from dp_ros.commands.evidence import (
    dimensions,
    horizons,
    methods,
    modes,
    page,
    rollouts,
    samplers,
    stability,
    store,
)
from dp_ros.commands.evidence.contenders import CONTENDERS, Contender
from dp_ros.commands.evidence.evaluation import Starts
from dp_ros.commands.evidence.jobs import Job, Record, name
from dp_ros.commands.evidence.workbench import DEMONSTRATIONS, Workbench

TABLES = ('methods', 'rollouts', 'samplers', 'horizons', 'modes', 'stability', 'dimensions')
LEARNING = ('methods', 'rollouts', 'modes', 'stability')
SEEDS = 3
TELL_EVERY_S = 120.0


@dataclass(frozen=True)
class Choice:
    """What is done now; the page tells of everything. seeds: training seeds of each method."""

    tables: Sequence[str] = TABLES
    contenders: Sequence[Contender] = CONTENDERS
    seeds: int = SEEDS
    starts: Starts = field(default_factory=Starts)

    def __post_init__(self) -> None:
        unknown = [table for table in self.tables if table not in TABLES]
        if unknown:
            raise ValueError(f'--tables {unknown[0]}: expected some of {", ".join(TABLES)}')

    def jobs(self) -> list[Job]:
        """In the order of work: however early it is interrupted, what matters most is there."""
        found = [*methods.people(), *rollouts.people()]
        found += [*samplers.jobs(self.starts), *horizons.jobs(self.starts)]
        found += dimensions.jobs(self.starts)
        for seed in range(self.seeds):
            found += methods.jobs(self.contenders, seed, self.starts)
            if seed == 0:
                found += rollouts.jobs(self.contenders)
                found += modes.jobs(self.contenders)
                found += stability.jobs(self.contenders, self.starts)
                found += samplers.student_jobs(self.starts)
        return [job for job in found if job.table in self.tables]


@dataclass(frozen=True)
class Places:
    """results: JSON that is kept in the repository; page: the one that tells it."""

    results: Path
    page: Path


def run(choice: Choice, bench: Workbench, workers: int, places: Places, console: Console) -> None:
    """Do the jobs of `choice` whose records are not in places.results; then renew the page.

    workers: jobs side by side; with 0 nothing is done. A job that fails does not stop the others;
    raises ValueError at the end if one did.
    """
    jobs = [job for job in choice.jobs() if workers]
    to_do = [job for job in jobs if job.missing is None and not _known(job, places.results)]
    for reason in dict.fromkeys(job.missing for job in jobs if job.missing):
        console.print(f'passed over: {escape(str(reason))}')
    if bench.demonstrations is None and (learning := [job for job in to_do if job.learns]):
        if any(job.table in LEARNING for job in learning):
            raise ValueError(f'{DEMONSTRATIONS}; or run only --tables samplers,horizons')
        console.print(f'passed over, {len(learning)} jobs: {DEMONSTRATIONS}')
        to_do = [job for job in to_do if not job.learns]
    failures, told = 0, time.monotonic()
    with Progress(console=console) as bar:
        row = bar.add_task('evidence', total=len(to_do))
        for job, outcome in _outcomes(to_do, bench, workers):
            bar.advance(row)
            if isinstance(outcome, Exception):
                failures += 1
                console.print(f'{_title(job)}: {escape(str(outcome))}')
                continue
            store.add(places.results, job.table, outcome)
            console.print(f'{_title(job)}: done')
            if time.monotonic() > told + TELL_EVERY_S:
                tell(choice.starts, places)
                told = time.monotonic()
    found = tell(choice.starts, places)
    console.print(f'{found} records in {places.results}; page: {places.page}')
    if failures:
        raise ValueError(
            f'{failures} of {len(to_do)} jobs failed, see above; the same command tries them again'
        )


def tell(starts: Starts, places: Places) -> int:
    """Renew the page and its pictures; returns how many records there are.

    Records of recipes that have changed since are not told.
    """
    everything = Choice(starts=starts).jobs()
    known = {table: store.read(places.results, table) for table in TABLES}
    records: dict[str, list[Record]] = {table: [] for table in TABLES}
    open_jobs = []
    for job in everything:
        record = None if job.missing else known[job.table].get(name(job.key))
        if record is None:
            open_jobs.append(job)
        else:
            records[job.table].append(record)
    page.write(places.page, records, open_jobs)
    return sum(map(len, records.values()))


def _known(job: Job, results: Path) -> bool:
    return name(job.key) in store.read(results, job.table)


def _title(job: Job) -> str:
    labels = [str(value) for key, value in job.key.items() if key in page.LABELS]
    return f'{job.table} {" ".join(labels)}'


def _outcomes(
    jobs: Sequence[Job], bench: Workbench, workers: int
) -> Iterator[tuple[Job, Record | Exception]]:
    """Each job with its record, or why there is none, as they get ready."""
    with ThreadPoolExecutor(max(1, workers)) as pool:
        futures: dict[Future[Record], Job] = {pool.submit(job.run, bench): job for job in jobs}
        try:
            for future in as_completed(futures):
                error = future.exception()
                if error is None:
                    yield futures[future], future.result()
                elif isinstance(error, (RuntimeError, ValueError, OSError, KeyError)):
                    yield futures[future], error
                else:
                    raise error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
