"""Training a policy: what is learned, from which windows, and what is saved.

A run is a folder: `checkpoint/` (the averaged weights, usable at any time) and what the loop
writes (learning/loop.py).
"""

from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from dp_ros.data.windows import Windows
from dp_ros.learning import training_state
from dp_ros.learning.baselines.baseline import Baseline
from dp_ros.learning.baselines.job import BaselineJob
from dp_ros.learning.batches import Examples
from dp_ros.learning.chance import Draw
from dp_ros.learning.chunk_job import ChunkJob
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.descent import Learned, trainable
from dp_ros.learning.initial_weights import initialise_vision, take_over
from dp_ros.learning.job import HERE, Machine, Report, silent
from dp_ros.learning.loop import run
from dp_ros.learning.methods import AnyRecipe, make_policy, require_diffusion
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.prefix import draw_delays
from dp_ros.learning.recipe import Recipe
from dp_ros.learning.transformer import TransformerDenoiser
from dp_ros.task import Task


def train(
    task: Task,
    recipe: AnyRecipe,
    training: Windows,
    validation: Windows,
    folder: Path,
    machine: Machine = HERE,
    initial: ChunkPolicy | None = None,
    report: Report = silent,
) -> ChunkPolicy:
    """Train in `folder`, going on where an interrupted run of the same recipe stopped.

    initial: a policy to start from (its weights and normalisers), for fine-tuning on more data, or
    with a prefix where it had none.
    Returns the averaged policy, which is also saved as `folder`/checkpoint.
    Raises DivergedError, training_state.ResumeError if the folder holds another run, or
    resnet.WeightsError if the encoders are to start from weights that cannot be had.
    """
    if isinstance(recipe, Recipe) and recipe.distilled_from is not None:
        raise ValueError('this recipe is that of a distilled policy: use dp-ros distill')
    torch.manual_seed(recipe.seed)
    policy = make_policy(task, recipe)
    if initial is not None:
        take_over(policy, initial)
    else:
        policy.fit(torch.from_numpy(training.observations), torch.from_numpy(training.actions))
        if policy.vision is not None and not training_state.exists(folder):
            initialise_vision(policy.vision)
    if policy.vision is not None and policy.vision.recipe.frozen:
        policy.vision.held().eval()
    policy.to(machine.device)
    if isinstance(policy, Baseline):
        return run(BaselineJob(policy, training, validation), folder, machine, report)
    diffusion = require_diffusion(policy, 'denoising')
    return run(PolicyJob(diffusion, training, validation), folder, machine, report)


class PolicyJob(ChunkJob[DiffusionPolicy]):
    """Learning to denoise."""

    def __init__(self, policy: DiffusionPolicy, training: Windows, validation: Windows) -> None:
        super().__init__(policy, _learned(policy.denoiser), training, validation)

    def chance(self, count: int, generator: Generator) -> tuple[Tensor, ...]:
        """Noise (B, *noise_shape), denoising steps (B,), delays (B,), and what to drop (B,).

        The last two are without effect, and not drawn, where the recipe has no use for them.
        """
        diffusion = self.model.recipe.diffusion
        noise = torch.randn(count, *self.model.noise_shape, generator=generator)
        steps = torch.randint(self.model.schedule.steps, (count,), generator=generator)
        delays, drop = torch.zeros(count), torch.zeros(count, dtype=torch.bool)
        if diffusion.prefix is not None:
            delays = draw_delays(diffusion.prefix, count, generator)
        if diffusion.drop_condition is not None:
            drop = torch.rand(count, generator=generator) < diffusion.drop_condition
        return noise, steps, delays, drop

    def loss(self, examples: Examples, draw: Draw) -> Tensor:
        noise, steps, delays, drop = (extra.to(examples.actions.device) for extra in draw.extra)
        seen, diffusion = self._look(examples, draw), self.model.recipe.diffusion
        torch.manual_seed(int(draw.looks[0]))  # of dropout
        return self.model.loss(
            examples.observations,
            examples.actions,
            noise,
            steps,
            seen,
            None if diffusion.prefix is None else delays,
            None if diffusion.drop_condition is None else drop,
            examples.later,
        )


def _learned(denoiser: nn.Module) -> list[Learned]:
    if isinstance(denoiser, TransformerDenoiser):
        decaying, others = denoiser.by_decay()
        return [Learned(decaying), Learned(others, decays=False)]
    return [Learned(trainable(denoiser.parameters()))]
