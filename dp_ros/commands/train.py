"""dp-ros train."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from torch import nn

from dp_ros.commands.machine import machine
from dp_ros.commands.training_bar import training_bar
from dp_ros.data import recordings
from dp_ros.data.windows import sample_windows, split_episodes
from dp_ros.learning import checkpoint, methods
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.train import train
from dp_ros.task import load_task


@dataclass(frozen=True)
class Choices:
    """What the command line says about the machine and the output."""

    device: str
    threads: int
    workers: int
    half: bool


def run(
    datasets: list[Path],
    task_file: Path,
    recipe_file: Path,
    out: Path,
    initial: Path | None,
    choices: Choices,
    console: Console,
) -> None:
    """Train on the episodes of `datasets` together; goes on where an interrupted run stopped."""
    with machine(choices.device, choices.threads, choices.workers) as here:
        console.quiet = not here.peers.first
        task = load_task(task_file)
        recipe = methods.load_recipe(recipe_file)
        if choices.half:
            recipe = recipe.model_copy(update={'half': True})
        known = recordings.read(datasets, task)
        kept, held_out = split_episodes(known.episodes, recipe.validation_fraction, recipe.seed)
        training = sample_windows(kept, task.horizons, known)
        validation = sample_windows(held_out, task.horizons, known)
        start = None
        if initial is not None:
            loaded = checkpoint.load(initial)
            loaded.require(task, str(task_file))
            start = loaded.policy
        console.print(
            f'{len(known.episodes)} episodes: {len(training)} windows to train on, '
            f'{len(validation)} from {len(held_out)} episodes to validate; '
            f'TensorBoard: tensorboard --logdir {out}'
        )
        console.print(_describe(methods.make_policy(task, recipe)))
        with training_bar(console) as report:
            train(task, recipe, training, validation, out, here, start, report)
        identity = checkpoint.identity(out / 'checkpoint')
        console.print(f'checkpoint: {out / "checkpoint"}, identity {identity}')


def _describe(policy: ChunkPolicy) -> str:
    """What is trained, in millions of parameters."""
    own = [p for name, p in policy.named_parameters() if not name.startswith('vision.')]
    is_denoised = isinstance(policy, DiffusionPolicy)
    text = f'{"denoiser" if is_denoised else methods.name(policy)}: {_millions(own)}'
    vision = policy.vision
    if vision is None:
        return text
    settings = vision.recipe
    learned = sum(p.numel() for p in vision.parameters() if p.requires_grad)
    state = 'learning' if not settings.frozen else 'frozen'
    if settings.frozen and learned:
        state = f'frozen but for {learned / 1e6:.2f} M'
    start = f'from {settings.weights}' if settings.weights else 'from scratch'
    of_whom = 'one for all cameras' if settings.shared else f'of {", ".join(vision.cameras)}'
    size = _millions(vision.parameters())
    return f'{text}; {settings.kind} encoders {of_whom}: {size}, {state}, {start}'


def _millions(parameters: Iterable[nn.Parameter]) -> str:
    return f'{sum(p.numel() for p in parameters) / 1e6:.2f} M parameters'
