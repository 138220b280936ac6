"""dp-ros train."""

from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dp_ros import yamlfile
from dp_ros.data import replay_buffer, windows
from dp_ros.data.replay_buffer import Episode
from dp_ros.learning import checkpoint, train
from dp_ros.learning.recipe import Recipe
from dp_ros.task import Task, load_task


def run(
    datasets: list[Path],
    task_file: Path,
    recipe_file: Path,
    out: Path,
    device: str,
    initial: Path | None,
    threads: int,
    console: Console,
) -> None:
    """Train on the episodes of `datasets` together; goes on where an interrupted run stopped."""
    torch.set_num_threads(threads)
    if torch.device(device).type == 'cuda' and not torch.cuda.is_available():
        raise ValueError(f'device {device!r} was asked for, but torch sees no GPU; use cpu')
    task = load_task(task_file)
    recipe = yamlfile.load(Recipe, recipe_file)
    episodes = [episode for path in datasets for episode in _read(path, task)]
    kept, held_out = windows.split_episodes(episodes, recipe.validation_fraction, recipe.seed)
    training = windows.sample_windows(kept, task.horizons)
    validation = windows.sample_windows(held_out, task.horizons)
    start = None
    if initial is not None:
        loaded = checkpoint.load(initial)
        loaded.require(task, str(task_file))
        start = loaded.policy
    console.print(
        f'{len(episodes)} episodes: {len(training)} windows to train on, {len(validation)} from '
        f'{len(held_out)} episodes to validate; TensorBoard: tensorboard --logdir {out}'
    )
    columns = (
        TextColumn('training'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn('{task.fields[figures]}'),
    )
    with Progress(*columns, console=console) as bar:
        row = bar.add_task('', total=recipe.optimiser.steps, figures='')

        def report(progress: train.Progress) -> None:
            figures = f'loss {progress.loss:.4f}'
            if progress.validation_loss is not None:
                bar.console.print(
                    f'step {progress.step}: validation loss {progress.validation_loss:.4f}, '
                    f'action error {progress.action_error:.4g} (units of the task)'
                )
            bar.update(row, completed=progress.step, figures=figures)

        train.train(task, recipe, training, validation, out, device, start, report)
    identity = checkpoint.identity(out / 'checkpoint')
    console.print(f'checkpoint: {out / "checkpoint"}, identity {identity}')


def _read(path: Path, task: Task) -> list[Episode]:
    episodes = replay_buffer.read(path)
    columns = (episodes[0].state.shape[1], episodes[0].action.shape[1])
    if columns != (task.observation_dim, task.action_dim):
        raise ValueError(
            f'{path} has {columns[0]} state and {columns[1]} action columns; task {task.name!r} '
            f'expects {task.observation_dim} and {task.action_dim}'
        )
    return episodes
