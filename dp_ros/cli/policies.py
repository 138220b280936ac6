"""Commands that make policies, and try them headless."""

from pathlib import Path
from typing import Annotated

import typer

from dp_ros.cli.options import (
    RECIPES,
    TASKS,
    Checkpoint,
    DelaySteps,
    Joining,
    Joins,
    Out,
    Samplers,
    Seed,
    TaskFile,
    Threads,
    Workers,
    console,
    shipped,
)

app = typer.Typer()


@app.command()
def train(
    datasets: Annotated[list[Path], typer.Argument(help='Replay buffers (zarr), used together.')],
    task: TaskFile,
    out: Out,
    recipe: Annotated[
        str | None, typer.Option(help='Recipe; default: the one named as the task.')
    ] = None,
    device: Annotated[str, typer.Option(help='cpu, cuda, cuda:1 ...')] = 'cpu',
    initial: Annotated[Path | None, typer.Option(help='Checkpoint to start from.')] = None,
    threads: Threads = 1,
    workers: Workers = 2,
    half: Annotated[bool, typer.Option(help='Save weights in half precision.')] = False,
) -> None:
    """Train a policy; an interrupted run goes on where it stopped.

    On several GPUs: torchrun --nproc-per-node 2 -m dp_ros.cli train ... --device cuda
    """
    from dp_ros.commands import train as command

    task_file = shipped(task, TASKS)
    recipe_file = shipped(recipe or task_file.stem, RECIPES)
    choices = command.Choices(device, threads, workers, half)
    command.run(datasets, task_file, recipe_file, out, initial, choices, console)


@app.command()
def pretrain(
    datasets: Annotated[list[Path], typer.Argument(help='Replay buffers (zarr), used together.')],
    task: TaskFile,
    recipe: Annotated[str, typer.Option(help='Pretraining recipe: a shipped name or a file.')],
    out: Out,
    targets: Annotated[str, typer.Option(help='Array of the data sets to tell.')] = 'keypoint',
    device: Annotated[str, typer.Option(help='cpu, cuda, cuda:1 ...')] = 'cpu',
    threads: Threads = 1,
    workers: Workers = 2,
) -> None:
    """Train image encoders to tell what is known of each frame; a policy may start from them."""
    from dp_ros.commands import pretrain as command

    task_file, recipe_file = shipped(task, TASKS), shipped(recipe, RECIPES)
    command.run(datasets, task_file, recipe_file, targets, out, device, threads, workers, console)


@app.command()
def distill(
    teacher: Annotated[Path, typer.Argument(help='Folder of the checkpoint to distil.')],
    datasets: Annotated[list[Path], typer.Argument(help='The replay buffers it learned from.')],
    out: Out,
    recipe: Annotated[
        str | None, typer.Option(help='Recipe; default: the one named TASK_distilled.')
    ] = None,
    device: Annotated[str, typer.Option(help='cpu, cuda, cuda:1 ...')] = 'cpu',
    threads: Threads = 1,
    workers: Workers = 2,
) -> None:
    """Teach a policy to denoise in one step or few; an interrupted run goes on."""
    from dp_ros.commands import distill as command
    from dp_ros.learning import checkpoint

    loaded = checkpoint.load(teacher)
    recipe_file = shipped(recipe or f'{loaded.task.name}_distilled', RECIPES)
    command.run(loaded, datasets, recipe_file, out, device, threads, workers, console)


@app.command('import-checkpoint')
def import_checkpoint(
    file: Annotated[
        Path, typer.Argument(help='Its weights: .safetensors, or tensors saved by torch.')
    ],
    task: TaskFile,
    recipe: Annotated[str, typer.Option(help='What it is: a shipped recipe or a file.')],
    out: Out,
) -> None:
    """Import a policy for states of the original project, real-stanford/diffusion_policy."""
    from dp_ros.commands import import_checkpoint as command

    command.run(file, shipped(task, TASKS), shipped(recipe, RECIPES), out, console)


@app.command()
def evaluate(
    checkpoint: Checkpoint,
    episodes: Annotated[int, typer.Option(min=1, help='How many starts.')] = 50,
    seed: Seed = 10_000,
    action_steps: Annotated[
        int | None, typer.Option(min=1, help="T_a; default: the task's.")
    ] = None,
    sampler: Annotated[
        Samplers | None, typer.Option(help="How it is denoised; default: the recipe's.")
    ] = None,
    inference_steps: Annotated[int | None, typer.Option(min=1, help='Denoising steps.')] = None,
    delay_steps: DelaySteps = 0,
    transition: Joining = Joins.switch,
    limit_steps: Annotated[
        int | None, typer.Option(min=1, help="Length of an episode; default: the environment's.")
    ] = None,
    threads: Threads = 1,
    out: Out = Path('out/evaluation'),
) -> None:
    """Roll out a checkpoint in the headless environment of its task."""
    from dp_ros.commands import evaluate as command

    command.run(
        checkpoint, episodes, seed, action_steps, sampler.value if sampler else None,
        inference_steps, delay_steps, transition.value, limit_steps, threads, out, console,
    )  # fmt: skip
