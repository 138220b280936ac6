"""From what was typed to the sweep that is run."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from rich.console import Console

from dp_ros.commands.benchmark_delay import TASKS, Sweep, knows_prefix, shipped
from dp_ros.commands.benchmark_jobs import CLOCKS, Charge, Clock
from dp_ros.commands.benchmark_strategies import (
    PREFIX,
    WAIT,
    latencies,
    strategies,
)
from dp_ros.learning.transition import TRANSITIONS


def sweep(
    task: str,
    checkpoint: Path | None,
    prefix_checkpoints: Sequence[Path],
    strategy_text: str,
    latency_text: str,
    step_text: str,
    cell_seeds: range,
    gym_seeds: range,
    clock: str,
    inference_ms: float | None,
    limit_s: float,
    capture_ms: float,
    console: Console,
) -> Sweep:
    """Raises ValueError for what does not fit."""
    tasks = list(TASKS) if task == 'both' else [task]
    if tasks[0] not in TASKS:
        raise ValueError(f'--task {task}: expected cell, gym or both')
    if clock not in CLOCKS:
        raise ValueError(f'--inference-clock {clock}: expected {" or ".join(CLOCKS)}')
    if checkpoint is not None and len(tasks) > 1:
        raise ValueError('--checkpoint is of one task; choose it with --task cell or --task gym')
    folders = {name: checkpoint or shipped(name) for name in tasks}
    prefix_folders = _prefix_folders(folders, prefix_checkpoints)
    chosen = strategies(strategy_text or ','.join((*TRANSITIONS, WAIT)))
    missing = [name for name in tasks if name not in prefix_folders]
    if missing and any(strategy.kind == PREFIX for strategy in chosen):
        console.print(
            f'no {PREFIX} for {", ".join(missing)}: its checkpoint was not trained so; '
            f'--prefix-checkpoint names one that was'
        )
    return Sweep(
        folders,
        prefix_folders,
        chosen,
        latencies(latency_text),
        _steps(step_text),
        cell_seeds,
        gym_seeds,
        Charge(cast('Clock', clock), inference_ms),
        limit_s,
        capture_ms,
    )


def _prefix_folders(folders: dict[str, Path], given: Sequence[Path]) -> dict[str, Path]:
    if not given:
        return {task: folder for task, folder in folders.items() if knows_prefix(folder)}
    if len(given) != len(folders):
        raise ValueError(f'--prefix-checkpoint: expected one for each of {", ".join(folders)}')
    return dict(zip(folders, given))


def _steps(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(',')]
    except ValueError:
        raise ValueError(f'--delay-steps {text}: expected steps as in 0,1,2') from None
