"""dp-ros pretrain."""

from pathlib import Path

from rich.console import Console

from dp_ros import yamlfile
from dp_ros.commands.machine import machine
from dp_ros.commands.training_bar import training_bar
from dp_ros.data import recordings
from dp_ros.data.windows import sample_windows, split_episodes
from dp_ros.learning import initial_weights
from dp_ros.learning.pretrain import pretrain
from dp_ros.learning.recipe import Pretraining
from dp_ros.task import Horizons, load_task

# Each frame once: windows of one step.
_ONE_STEP = Horizons(observation=1, prediction=1, action=1, first=0)


def run(
    datasets: list[Path],
    task_file: Path,
    recipe_file: Path,
    targets: str,
    out: Path,
    device: str,
    threads: int,
    workers: int,
    console: Console,
) -> None:
    """Train image encoders to tell `targets`; goes on where an interrupted run stopped."""
    with machine(device, threads, workers) as here:
        console.quiet = not here.peers.first
        task = load_task(task_file)
        recipe = yamlfile.load(Pretraining, recipe_file)
        if not task.cameras:
            raise ValueError(f'task {task.name!r} has no camera, so there is nothing to pretrain')
        known = recordings.read(datasets, task, extra=(targets,))
        kept, held_out = split_episodes(known.episodes, recipe.validation_fraction, recipe.seed)
        training = sample_windows(kept, _ONE_STEP, known)
        validation = sample_windows(held_out, _ONE_STEP, known)
        console.print(
            f'{len(known.episodes)} episodes: {len(training)} steps to learn {targets} from, '
            f'{len(validation)} from {len(held_out)} episodes to validate'
        )
        with training_bar(console) as report:
            pretrain(task, recipe, targets, training, validation, out, here, report)
        console.print(f'encoders: {out / initial_weights.FILE}')
        console.print(f'a recipe starts from them with vision: {{weights: {out}}}')
