"""Training a diffusion policy: what is learned, from which windows, and what is saved.

A run is a folder: `checkpoint/` (the averaged weights, usable at any time) and what the loop
writes (learning/loop.py).
"""

from pathlib import Path

import torch
from torch import Generator, Tensor

from dp_ros.data.windows import Windows
from dp_ros.learning import checkpoint, training_state
from dp_ros.learning.batches import Examples
from dp_ros.learning.chance import Draw
from dp_ros.learning.descent import Learned, trainable
from dp_ros.learning.frozen_features import FrozenFeatures, encode_all, is_frozen
from dp_ros.learning.initial_weights import initialise_vision, take_over
from dp_ros.learning.job import HERE, Job, Machine, Progress, Report, silent
from dp_ros.learning.looks import augmented
from dp_ros.learning.loop import run
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.prefix import draw_delays
from dp_ros.learning.recipe import Recipe
from dp_ros.learning.validation import evaluate
from dp_ros.task import Task


def train(
    task: Task,
    recipe: Recipe,
    training: Windows,
    validation: Windows,
    folder: Path,
    machine: Machine = HERE,
    initial: DiffusionPolicy | None = None,
    report: Report = silent,
) -> DiffusionPolicy:
    """Train in `folder`, going on where an interrupted run of the same recipe stopped.

    initial: a policy to start from (its weights and normalisers), for fine-tuning on more data, or
    with a prefix where it had none.
    Returns the averaged policy, which is also saved as `folder`/checkpoint.
    Raises DivergedError, training_state.ResumeError if the folder holds another run, or
    resnet.WeightsError if the encoders are to start from weights that cannot be had.
    """
    torch.manual_seed(recipe.seed)
    policy = DiffusionPolicy(task, recipe)
    if initial is not None:
        take_over(policy, initial)
    else:
        policy.fit(torch.from_numpy(training.observations), torch.from_numpy(training.actions))
        if policy.vision is not None and not training_state.exists(folder):
            initialise_vision(policy.vision)
    if policy.vision is not None and policy.vision.recipe.frozen:
        policy.vision.held().eval()
    job = _PolicyJob(policy.to(machine.device), training, validation)
    return run(job, folder, machine, report)


class _PolicyJob(Job[DiffusionPolicy]):
    def __init__(self, policy: DiffusionPolicy, training: Windows, validation: Windows) -> None:
        self.model, self.settings = policy, policy.recipe
        self.training, self._validation = training, validation
        self._features: FrozenFeatures | None = None
        self._held_out: FrozenFeatures | None = None
        self.learned = [Learned(trainable(policy.denoiser.parameters()))]
        if policy.vision is not None:
            scale = policy.vision.recipe.learning_rate_scale
            self.learned.append(Learned(trainable(policy.vision.parameters()), scale))
        self.identity = {
            'task': policy.task.model_dump(mode='json'),
            'recipe': policy.recipe.model_dump(mode='json'),
        }

    def prepare(self, machine: Machine, report: Report) -> bool:
        """Encode all frames, if the encoders do not learn."""
        vision = self.model.vision
        if vision is None or not is_frozen(vision):
            return True

        def told(done: int, count: int) -> None:
            report(Progress('encoding', done, count))

        device, workers, views = machine.device, machine.workers, vision.recipe.views
        self._held_out = encode_all(vision, self._validation, device, workers)
        self._features = encode_all(vision, self.training, device, workers, views, told)
        return False

    def chance(self, count: int, generator: Generator) -> tuple[Tensor, ...]:
        """Noise (B, T_p, A), denoising steps (B,), delays (B,), and which windows to drop (B,).

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
        return self.model.loss(
            examples.observations,
            examples.actions,
            noise,
            steps,
            seen,
            None if diffusion.prefix is None else delays,
            None if diffusion.drop_condition is None else drop,
        )

    def _look(self, examples: Examples, draw: Draw) -> Tensor | None:
        if self._features is not None:
            return self._features(draw.rows, draw.looks)
        if self.model.vision is None:
            return None
        return augmented(self.model.vision, examples.observations.images, draw.looks)

    def validate(self, average: DiffusionPolicy) -> dict[str, float]:
        return evaluate(average, self._validation, self._held_out)

    def save(self, average: DiffusionPolicy, folder: Path) -> None:
        checkpoint.save(average, folder / 'checkpoint')
