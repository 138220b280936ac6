"""dp-ros dataset: demonstrations made, corrected, imported, looked at."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dp_ros.commands.environments import environments_of, headless
from dp_ros.data import align, replay_buffer
from dp_ros.data.replay_buffer import Episode
from dp_ros.learning import checkpoint
from dp_ros.paths import share
from dp_ros.sim import arcs, carry_expert, reach
from dp_ros.sim.rollout import check_delay
from dp_ros.task import ImageStream, load_task

if TYPE_CHECKING:  # it needs MuJoCo, which most of these commands do without
    from dp_ros.sim.demonstrations import Episode as Demonstration

T = TypeVar('T')

EXPERTS: dict[str, Callable[[int, int], Iterator[Episode]]] = {
    'two_arcs': arcs.demonstrations,
    'ur5e_reach': reach.demonstrations,
    'two_arms_carry': carry_expert.demonstrations,
}
"""Those that need no physics, by task: so many episodes, from this seed on."""


def generate(
    task: str,
    out: Path,
    count: int,
    seed: int,
    noise_m: float,
    workers: int,
    console: Console,
    near_m: float | None = None,
) -> None:
    """Demonstrations of a scripted expert for `task`, written to `out`.

    near_m: see sim/demonstrations.starts.
    """
    if task in EXPERTS:
        if near_m is not None:
            raise ValueError(f'--near-m is for starts of pusht_cell, not of {task}')
        drawn = _progress(EXPERTS[task](count, seed), count, console)
        _save(out, drawn, console)
        return
    if task not in ('pusht_cell', 'pusht_cell_image'):
        raise ValueError(
            f'no expert for task {task!r}; there is one for {", ".join(EXPERTS)}, pusht_cell and '
            f'pusht_cell_image'
        )
    headless()
    from dp_ros.sim import demonstrations

    counts = demonstrations.Yield()
    sides: list[int] = []
    ious: list[float] = []

    def noted() -> 'Iterator[Demonstration]':
        for episode in demonstrations.generate(count, seed, workers, noise_m, counts, near_m):
            sides.append(episode.side)
            ious.append(episode.iou_last)
            yield episode

    _save_demonstrations(out, noted(), _cameras(task), count, workers, console)
    console.print(
        f'{counts.succeeded} succeeded, {counts.failed} failed; approach side: '
        f'{sides.count(1)} counter-clockwise, {sides.count(-1)} clockwise\n'
        f'last IoU: lowest {min(ious):.3f}, 5th percentile {np.percentile(ious, 5):.3f}, '
        f'mean {np.mean(ious):.3f}'
    )


def correct(
    folder: Path,
    out: Path,
    count: int,
    seed: int,
    action_steps: int | None,
    delay_steps: int,
    transition: str,
    threads: int,
    console: Console,
    near_m: float | None = None,
) -> None:
    """Takeovers: the policy runs, the expert finishes from where it got to; written to `out`."""
    import torch

    from dp_ros.commands.evaluate import horizons_with, joining, planner

    torch.set_num_threads(threads)
    loaded = checkpoint.load(folder)
    task = loaded.task
    if task.name not in ('pusht_cell', 'pusht_cell_image'):
        raise ValueError(
            f'{folder} is for task {task.name!r}; the expert is for pusht_cell and '
            f'pusht_cell_image'
        )
    horizons = horizons_with(task.horizons, action_steps)
    check_delay(horizons, delay_steps)
    with environments_of(task) as make:
        from dp_ros.sim import demonstrations

        counts = demonstrations.Yield()
        world = make()
        joined = joining(transition)
        plan = planner(loaded.policy, seed, joined, delay_steps)
        cell = world.cell if task.cameras else world
        takeovers = demonstrations.correct(
            world,
            cell,
            plan,
            horizons,
            count,
            seed,
            counts,
            delay_steps,
            pins=joined is not None and joined.pins,
            near_m=near_m,
        )
        _save_demonstrations(out, takeovers, task.cameras, count, 1, console)
    console.print(f'the expert finished {counts.succeeded} and failed {counts.failed} times')


def render(
    source: Path, task_file: Path, out: Path, seed: int, workers: int, console: Console
) -> None:
    """Episodes of Push-T in the cell, seen by the cameras of a task; written to `out`.

    `source` holds states (tip x y, block x y yaw), or is itself such an image data set.
    """
    task = load_task(task_file)
    if not task.cameras:
        raise ValueError(f'task {task.name!r} has no cameras: there is nothing to render')
    known = replay_buffer.shapes(source)
    episodes = replay_buffer.read(source, 'full_state' if 'full_state' in known else 'state')
    columns = episodes[0].state.shape[1]
    if columns != 5:
        raise ValueError(
            f'{source} has {columns} state columns; to render the cell it takes 5: tip x y, '
            f'block x y yaw'
        )
    headless()
    from dp_ros.sim import filming

    qpos = replay_buffer.arrays(source, 'data/qpos')[0] if 'qpos' in known else None

    def takes() -> Iterator[filming.Take]:
        for number, episode in enumerate(episodes, start=seed):
            if qpos is None:
                yield filming.with_tool_down(episode.state, episode.action, number)
            else:
                rows = qpos[episode.start : episode.start + len(episode)]
                yield filming.Take(episode.state, episode.action, rows, number)

    filmed = filming.film_all(takes(), task.cameras, workers)
    _save(out, _progress(filmed, len(episodes), console), console, task.cameras)


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
    for name, shape in replay_buffer.shapes(path).items():
        if name not in ('state', 'action'):
            console.print(f'  {name}: {" x ".join(map(str, shape[1:])) or 1}')


def _progress(items: Iterable[T], count: int, console: Console) -> Iterator[T]:
    columns = (TextColumn('episodes'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        yield from bar.track(items, total=count)


def _cameras(task: str) -> tuple[ImageStream, ...]:
    return load_task(share('config', 'tasks', f'{task}.yaml')).cameras


def _save_demonstrations(
    out: Path,
    made: 'Iterable[Demonstration]',
    cameras: tuple[ImageStream, ...],
    count: int,
    workers: int,
    console: Console,
) -> None:
    """States as they are where the task has no cameras; else filmed by them."""
    if not cameras:
        plain = (Episode(e.state, e.action) for e in made)
        _save(out, _progress(plain, count, console), console)
        return
    from dp_ros.sim import filming

    takes = (filming.Take(e.state, e.action, e.qpos, e.seed) for e in made)
    filmed = filming.film_all(takes, cameras, workers)
    _save(out, _progress(filmed, count, console), console, cameras)


def _save(
    out: Path,
    episodes: Iterable[Episode],
    console: Console,
    cameras: tuple[ImageStream, ...] = (),
) -> None:
    lengths: list[int] = []

    def counted() -> Iterator[Episode]:
        for episode in episodes:
            lengths.append(len(episode))
            yield episode

    replay_buffer.write(out, counted(), cameras)
    console.print(f'{len(lengths)} episodes, {sum(lengths)} steps: {out}')
