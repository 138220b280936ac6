"""dp-ros distill."""

from pathlib import Path

from rich.console import Console

from dp_ros import yamlfile
from dp_ros.commands.machine import machine
from dp_ros.commands.training_bar import training_bar
from dp_ros.data import recordings
from dp_ros.data.windows import sample_windows, split_episodes
from dp_ros.learning import checkpoint
from dp_ros.learning.checkpoint import Checkpoint
from dp_ros.learning.distill import distill
from dp_ros.learning.recipe import Distillation


def run(
    teacher: Checkpoint,
    datasets: list[Path],
    recipe_file: Path,
    out: Path,
    device: str,
    threads: int,
    workers: int,
    console: Console,
) -> None:
    """Distil `teacher` on its data; goes on where an interrupted run stopped."""
    with machine(device, threads, workers) as here:
        console.quiet = not here.peers.first
        settings = yamlfile.load(Distillation, recipe_file)
        horizons = teacher.task.horizons
        known = recordings.read(datasets, teacher.task)
        kept, held_out = split_episodes(
            known.episodes, settings.validation_fraction, settings.seed
        )
        training = sample_windows(kept, horizons, known)
        validation = sample_windows(held_out, horizons, known)
        console.print(
            f'teacher: {teacher.name} ({teacher.identity}); {len(known.episodes)} episodes: '
            f'{len(training)} windows to learn on, {len(validation)} from {len(held_out)} '
            f'episodes to validate; TensorBoard: tensorboard --logdir {out}'
        )
        with training_bar(console) as report:
            distill(teacher, settings, training, validation, out, here, report)
        identity = checkpoint.identity(out / 'checkpoint')
        console.print(f'checkpoint: {out / "checkpoint"}, identity {identity}')
