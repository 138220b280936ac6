"""dp-ros benchmark delay: what latency costs each way of joining chunks."""

import json
import os
import platform
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from dp_ros import atomic
from dp_ros.commands import benchmark_picture, benchmark_table
from dp_ros.commands.benchmark_jobs import CellJob, Charge, GymJob, Job, work
from dp_ros.commands.benchmark_rows import FLIP, Record, rows
from dp_ros.commands.benchmark_strategies import PREFIX, Added, Strategy
from dp_ros.learning import checkpoint, methods
from dp_ros.paths import share

TASKS = {'cell': 'pusht_cell', 'gym': 'pusht_gym'}
RECORDS = 'records.jsonl'


@dataclass(frozen=True)
class Sweep:
    """What is run. folders, prefix_folders: checkpoint of each task, and the one for `prefix`.

    limit_s: length of an episode in the cell; those in gym have 300 steps.
    """

    folders: dict[str, Path]
    prefix_folders: dict[str, Path]
    strategies: Sequence[Strategy]
    latencies: Sequence[Added]
    delay_steps: Sequence[int]
    cell_seeds: range
    gym_seeds: range
    charge: Charge
    limit_s: float
    capture_ms: float

    def jobs(self) -> list[Job]:
        """In the order of work: however early it is interrupted, all rows have got as far."""
        found: list[Job] = []
        for task in self.folders:
            chosen = [(s, self._folder(task, s)) for s in self.strategies]
            if task == 'gym':
                found += [
                    GymJob(folder, strategy, steps, tuple(self.gym_seeds))
                    for steps in self.delay_steps
                    for strategy, folder in chosen
                    if folder is not None
                ]
            else:
                found += [
                    CellJob(
                        folder, strategy, added, seed, self.charge, self.limit_s, self.capture_ms
                    )
                    for seed in self.cell_seeds
                    for added in self.latencies
                    for strategy, folder in chosen
                    if folder is not None
                ]
        return found

    def _folder(self, task: str, strategy: Strategy) -> Path | None:
        if strategy.kind != PREFIX:
            return self.folders[task]
        return self.prefix_folders.get(task)


def shipped(task: str) -> Path:
    """The checkpoint that ships for `cell` or `gym`."""
    return share('models', TASKS[task])


def knows_prefix(folder: Path) -> bool:
    """Whether the policy learned to go on from a clean prefix."""
    policy = methods.require_diffusion(checkpoint.load(folder).policy, 'a clean prefix')
    return policy.recipe.diffusion.prefix is not None


def run(
    sweep: Sweep, workers: int, out: Path, page: Path | None, console: Console
) -> list[dict[str, Any]]:
    """Do what is not yet in out/records.jsonl; then write the table and the picture.

    workers: processes; with 0 nothing is done, and the table is that of what is there. Raises
    ValueError where there is nothing.
    """
    jobs = sweep.jobs()
    file = out / RECORDS
    known = _read(file)
    open_jobs = [job for job in jobs if workers and _name(job.key) not in known]
    out.mkdir(parents=True, exist_ok=True)
    with Progress(console=console) as bar, file.open('a') as lines:
        row = bar.add_task('episodes', total=len(jobs), completed=len(jobs) - len(open_jobs))
        for record in _done(open_jobs, workers):
            lines.write(json.dumps(record) + '\n')
            lines.flush()
            bar.advance(row)
    known = _read(file)
    found = rows([known[_name(job.key)] for job in jobs if _name(job.key) in known])
    if not found:
        raise ValueError(f'{file} holds no episode of this sweep; run it without --report')
    found.sort(key=_order(sweep))
    report = {
        'rows': found,
        'flip': FLIP,
        'charge': str(sweep.charge),
        'capture_ms': sweep.capture_ms,
        'limit_s': sweep.limit_s,
        'progress': {
            task: [sum(_name(key) in known for key in keys), len(keys)]
            for task in sweep.folders
            if (keys := [job.key for job in jobs if job.key['task'] == task])
        },
        'machine': {'cpus': os.cpu_count(), 'python': platform.python_version()},
    }
    atomic.write_text(out / 'delay.json', json.dumps(report, indent=2) + '\n')
    benchmark_picture.draw(out / 'delay.png', found)
    for task in sweep.folders:
        console.print(benchmark_table.table(task, [r for r in found if r['task'] == task]))
    text = benchmark_table.markdown(report)
    atomic.write_text(out / 'delay.md', text)
    if page is not None:
        benchmark_table.put_into(page, text)
        with atomic.replacing(page.with_name('delay.png')) as temporary:
            temporary.write_bytes((out / 'delay.png').read_bytes())
    console.print(f'figures: {out / "delay.json"}, {out / "delay.md"}, {out / "delay.png"}')
    return found


def _done(jobs: Sequence[Job], workers: int) -> Any:
    """The records of `jobs`, as they get ready."""
    if workers <= 1:
        yield from map(work, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context('spawn')) as pool:
        try:
            for future in as_completed([pool.submit(work, job) for job in jobs]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _read(file: Path) -> dict[str, Record]:
    """The records so far, by name, without lines that were cut off or are of an older form."""
    found: dict[str, Record] = {}
    if not file.is_file():
        return found
    for line in file.read_text().splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if 'apart' in record:
            found[_name(record)] = record
    return found


KEYS = (
    'task', 'strategy', 'delay', 'seed', 'seeds', 'charge', 'limit_s', 'capture_ms', 'checkpoint',
)  # fmt: skip


def _name(record: Record) -> str:
    return json.dumps([record.get(key) for key in KEYS])


def _order(sweep: Sweep) -> Any:
    names = [strategy.name for strategy in sweep.strategies]
    delays = {
        'cell': [str(added) for added in sweep.latencies],
        'gym': [str(steps) for steps in sweep.delay_steps],
    }

    def place(row: dict[str, Any]) -> tuple[int, int, int]:
        task = row['task']
        return (
            list(sweep.folders).index(task),
            names.index(row['strategy']),
            delays[task].index(row['delay']),
        )

    return place
