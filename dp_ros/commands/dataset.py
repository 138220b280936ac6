"""dp-ros dataset: demonstrations made, corrected, imported, looked at."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dp_ros.data import align, replay_buffer
from dp_ros.data.replay_buffer import Episode
from dp_ros.learning import checkpoint
from dp_ros.sim import arcs

T = TypeVar('T')


def generate(
    task: str, out: Path, count: int, seed: int, noise_m: float, workers: int, console: Console
) -> None:
    """Demonstrations of a scripted expert for `task`, written to `out`."""
    if task == 'two_arcs':
        drawn = _progress(arcs.demonstrations(count, seed), count, console)
        _save(out, list(drawn), console)
        return
    if task != 'pusht_cell':
        raise ValueError(f'no expert for task {task!r}; there is one for two_arcs and pusht_cell')
    from dp_ros.sim import demonstrations

    counts = demonstrations.Yield()
    made = list(
        _progress(demonstrations.generate(count, seed, workers, noise_m, counts), count, console)
    )
    _save(out, [Episode(e.state, e.action) for e in made], console)
    ious = np.array([e.iou_last for e in made])
    sides = [e.side for e in made]
    console.print(
        f'{counts.succeeded} succeeded, {counts.failed} failed; approach side: '
        f'{sides.count(1)} counter-clockwise, {sides.count(-1)} clockwise\n'
        f'last IoU: lowest {ious.min():.3f}, 5th percentile {np.percentile(ious, 5):.3f}, '
        f'mean {ious.mean():.3f}; median length {np.median([len(e.state) for e in made]):.0f}'
        f' steps'
    )


def correct(
    folder: Path,
    out: Path,
    count: int,
    seed: int,
    action_steps: int | None,
    threads: int,
    console: Console,
) -> None:
    """Takeovers: the policy runs, the expert finishes from where it got to; written to `out`."""
    import torch

    from dp_ros.commands.evaluate import planner
    from dp_ros.sim import demonstrations

    torch.set_num_threads(threads)
    loaded = checkpoint.load(folder)
    if loaded.task.name != 'pusht_cell':
        raise ValueError(
            f'{folder} is for task {loaded.task.name!r}; the expert is for pusht_cell'
        )
    horizons = loaded.task.horizons
    plan = planner(loaded.policy, seed)
    executed = slice(horizons.now, horizons.now + (action_steps or horizons.action))

    def act(observations: np.ndarray) -> np.ndarray:
        return plan(observations[None])[0][executed]

    counts = demonstrations.Yield()
    takeovers = demonstrations.correct(act, horizons.observation, count, seed, counts)
    episodes = [Episode(e.state, e.action) for e in _progress(takeovers, count, console)]
    _save(out, episodes, console)
    console.print(f'the expert finished {counts.succeeded} and failed {counts.failed} times')


def import_pusht(source: Path, out: Path, console: Console) -> None:
    """The authors' human Push-T demonstrations, aligned so that each ends exactly on the goal."""
    from dp_ros.sim.gym_pusht import GOAL_POSE, GymPushT

    episodes = replay_buffer.read(source)
    environment = GymPushT()
    aligned = []
    for episode in _progress(iter(episodes), len(episodes), console):
        end = environment.rest_pose(episode.state[0], episode.action)
        aligned.append(align.align_to_goal(episode, end, GOAL_POSE))
    _save(out, aligned, console)


def info(path: Path, console: Console) -> None:
    """What a data set holds."""
    episodes = replay_buffer.read(path)
    lengths = np.array([len(e) for e in episodes])
    console.print(
        f'{path}: {len(episodes)} episodes, {lengths.sum()} steps '
        f'({lengths.min()} to {lengths.max()} an episode, median {np.median(lengths):.0f})'
    )
    for name in ('state', 'action'):
        rows = np.concatenate([getattr(e, name) for e in episodes])
        console.print(f'  {name}: {rows.shape[1]} columns')
        for column, values in enumerate(rows.T):
            console.print(f'    {column}: {values.min():.4g} .. {values.max():.4g}')


def _progress(items: Iterable[T], count: int, console: Console) -> Iterator[T]:
    columns = (TextColumn('episodes'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        yield from bar.track(items, total=count)


def _save(out: Path, episodes: list[Episode], console: Console) -> None:
    replay_buffer.write(out, episodes)
    console.print(f'{len(episodes)} episodes, {sum(map(len, episodes))} steps: {out}')
