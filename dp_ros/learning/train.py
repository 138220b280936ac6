"""Training: AdamW with warm-up and cosine decay, averaged weights, validation, exact resume.

A run is a folder: `checkpoint/` (the averaged weights, usable at any time), `state.safetensors`
(everything needed to go on after SIGKILL), and TensorBoard's event files.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from dp_ros.data.windows import Windows
from dp_ros.learning import checkpoint, training_state
from dp_ros.learning.ema import ExponentialMovingAverage
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Optimiser, Recipe
from dp_ros.task import Task


@dataclass(frozen=True)
class Progress:
    """What a caller is told after every optimiser step; validation figures when they are new."""

    step: int
    steps: int
    loss: float
    validation_loss: float | None = None
    action_error: float | None = None


class DivergedError(RuntimeError):
    """The loss became NaN or infinite."""


def learning_rate(step: int, optimiser: Optimiser) -> float:
    """Learning rate at `step`: linear warm-up, then half a cosine down to zero."""
    if step < optimiser.warmup:
        return optimiser.learning_rate * (step + 1) / optimiser.warmup
    rest = max(1, optimiser.steps - optimiser.warmup)
    progress = (step - optimiser.warmup) / rest
    return optimiser.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def train(
    task: Task,
    recipe: Recipe,
    training: Windows,
    validation: Windows,
    folder: Path,
    device: str = 'cpu',
    initial: DiffusionPolicy | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> DiffusionPolicy:
    """Train in `folder`, going on where an interrupted run of the same recipe stopped.

    initial: a policy to start from (its weights and normalisers), for fine-tuning on more data.
    Returns the averaged policy, which is also saved as `folder`/checkpoint.
    Raises DivergedError, or training_state.ResumeError if the folder holds another run.
    """
    torch.manual_seed(recipe.seed)
    policy = DiffusionPolicy(task, recipe)
    observations, actions = (
        torch.from_numpy(a) for a in (training.observations, training.actions)
    )
    if initial is None:
        policy.fit(observations, actions)
    else:
        policy.load_state_dict(initial.state_dict())
    policy.to(device)
    observations, actions = observations.to(device), actions.to(device)
    optimiser = torch.optim.AdamW(
        policy.denoiser.parameters(),
        lr=recipe.optimiser.learning_rate,
        betas=recipe.optimiser.betas,
        weight_decay=recipe.optimiser.weight_decay,
    )
    average = ExponentialMovingAverage(
        policy, recipe.optimiser.ema_power, recipe.optimiser.ema_max
    )
    start = training_state.restore(folder, policy, average.model, optimiser, task, recipe)

    with contextlib.closing(SummaryWriter(str(folder), purge_step=start)) as board:
        for step in range(start, recipe.optimiser.steps):
            rate = learning_rate(step, recipe.optimiser)
            loss = _optimise(policy, optimiser, rate, observations, actions, step)
            if not math.isfinite(loss):
                raise DivergedError(
                    f'the loss became {loss} at step {step}; lower optimiser.learning_rate '
                    f'(now {recipe.optimiser.learning_rate}). {folder} keeps the last good state.'
                )
            average.update(policy, step)
            done = step + 1
            board.add_scalar('loss/training', loss, done)
            board.add_scalar('learning_rate', rate, done)
            figures: dict[str, float] = {}
            if done % recipe.validate_every == 0 or done == recipe.optimiser.steps:
                figures = evaluate(average.model, validation)
                board.add_scalar('loss/validation', figures['validation_loss'], done)
                board.add_scalar('action_error', figures['action_error'], done)
            if done % recipe.save_every == 0 or done == recipe.optimiser.steps:
                checkpoint.save(average.model, folder / 'checkpoint')
                training_state.save(folder, policy, average.model, optimiser, task, recipe, done)
            report(Progress(done, recipe.optimiser.steps, loss, **figures))
    return average.model


def _optimise(
    policy: DiffusionPolicy,
    optimiser: torch.optim.Optimizer,
    rate: float,
    observations: Tensor,
    actions: Tensor,
    step: int,
) -> float:
    """One step on a random batch; the batch depends on the seed and `step` alone."""
    recipe = policy.recipe
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    batch = recipe.optimiser.batch
    rows = torch.randint(len(observations), (batch,), generator=generator)
    noise = torch.randn(batch, *policy.noise_shape, generator=generator)
    steps = torch.randint(policy.schedule.steps, (batch,), generator=generator)
    device = observations.device
    rows, noise, steps = rows.to(device), noise.to(device), steps.to(device)

    for group in optimiser.param_groups:
        group['lr'] = rate
    loss = policy.loss(observations[rows], actions[rows], noise, steps)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(policy.denoiser.parameters(), recipe.optimiser.gradient_norm)
    optimiser.step()
    return loss.item()


@torch.no_grad()
def evaluate(policy: DiffusionPolicy, windows: Windows, most: int = 512) -> dict[str, float]:
    """Validation loss, and the mean distance [task units] of the T_a executed actions.

    At most `most` windows, evenly spread; the noise is the same at every call.
    """
    device = next(policy.denoiser.parameters()).device
    rows = torch.linspace(0, len(windows) - 1, min(most, len(windows))).long()
    observations = torch.from_numpy(windows.observations)[rows].to(device)
    actions = torch.from_numpy(windows.actions)[rows].to(device)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(rows), *policy.noise_shape, generator=generator).to(device)
    steps = torch.randint(policy.schedule.steps, (len(rows),), generator=generator).to(device)
    loss = policy.loss(observations, actions, noise, steps).item()
    horizons = policy.task.horizons
    executed = slice(horizons.now, horizons.now + horizons.action)
    error = (policy.predict(observations, noise) - actions)[:, executed].norm(dim=-1).mean()
    return {'validation_loss': loss, 'action_error': error.item()}
