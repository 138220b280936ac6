"""Consistency distillation: a trained policy becomes one that needs one denoising step, or few.

Song et al. 2023, Algorithm 2; for policies Prasad et al. 2024 (Consistency Policy). The student
begins as the teacher. From a noised chunk x_t the teacher goes one DDIM step along the probability
flow; where the flow ends must be the same from there as from x_t:
    loss = d(f(x_t, t), f_average(x_next, t_next)),
with the averaged student as the target network. At the end of the flow f is x itself
(learning/consistency.py), so what is known there spreads to the noisier steps. The student is an
ordinary checkpoint, whose sampler is `consistency`.
"""

import copy
from pathlib import Path

import torch
from torch import Tensor

from dp_ros import atomic, yamlfile
from dp_ros.data.windows import Windows
from dp_ros.learning import prefix
from dp_ros.learning.batches import Examples
from dp_ros.learning.chance import Draw
from dp_ros.learning.checkpoint import Checkpoint
from dp_ros.learning.consistency import Flow
from dp_ros.learning.denoiser import inpaints
from dp_ros.learning.job import HERE, Machine, Report, silent
from dp_ros.learning.loop import run
from dp_ros.learning.methods import require_diffusion
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Distillation, Recipe, Run
from dp_ros.learning.train import PolicyJob
from dp_ros.learning.validation import action_error, sample

RECIPE = 'distillation.yaml'
_CLIP = 1.0  # as the samplers bound clean chunks


def distill(
    teacher: Checkpoint,
    settings: Distillation,
    training: Windows,
    validation: Windows,
    folder: Path,
    machine: Machine = HERE,
    report: Report = silent,
) -> DiffusionPolicy:
    """Distil `teacher` in `folder`, going on where an interrupted run stopped.

    Image encoders stay as they are. Returns the averaged student, which is also saved as
    `folder`/checkpoint. Raises as train does, and ValueError for a teacher that cannot teach.
    """
    taught_by = require_diffusion(teacher.policy, 'dp-ros distill')
    recipe = student_recipe(teacher, settings)
    torch.manual_seed(settings.seed)
    student = DiffusionPolicy(teacher.task, recipe)
    student.load_state_dict(teacher.policy.state_dict())
    if student.vision is not None:
        student.vision.requires_grad_(False).eval()
    atomic.write_text(folder / RECIPE, yamlfile.dump(settings))
    job = StudentJob(
        student.to(machine.device),
        copy.deepcopy(taught_by).to(machine.device).eval(),
        settings,
        training,
        validation,
    )
    return run(job, folder, machine, report)


def student_recipe(teacher: Checkpoint, settings: Distillation) -> Recipe:
    """The teacher's network and features, used and trained as `settings` say."""
    recipe = require_diffusion(teacher.policy, 'dp-ros distill').recipe
    if recipe.distilled_from is not None:
        raise ValueError(
            f'{teacher.name!r} is a student of {recipe.distilled_from} already: only a policy '
            f'that dp-ros train has made can teach'
        )
    if inpaints(recipe):
        raise ValueError(
            f'{teacher.name!r} denoises its observations beside the actions, which distillation '
            f'does not: choose a teacher with condition: global or local'
        )
    if recipe.diffusion.prediction == 'epsilon':
        raise ValueError(
            f'{teacher.name!r} predicts the noise (diffusion.prediction: epsilon), from which no '
            f'chunk can be told at the first, noisiest step: a student that shall answer in one '
            f'step would learn nothing of use. Train a teacher with prediction: sample'
        )
    kept = ('schedule', 'training_steps', 'prediction', 'spacing', 'prefix')
    diffusion = {
        **{name: getattr(recipe.diffusion, name) for name in kept},
        'sampler': 'consistency',
        'inference_steps': settings.inference_steps,
    }
    return Recipe.model_validate(
        {
            **settings.model_dump(include=set(Run.model_fields)),
            **recipe.model_dump(include={'network', 'features', 'vision', 'half'}),
            'diffusion': diffusion,
            'distilled_from': teacher.identity,
        }
    )


class StudentJob(PolicyJob):
    """Learning to say where the teacher's flow ends."""

    def __init__(
        self,
        student: DiffusionPolicy,
        teacher: DiffusionPolicy,
        settings: Distillation,
        training: Windows,
        validation: Windows,
    ) -> None:
        super().__init__(student, training, validation)
        self._teacher, self._how = teacher, settings
        self._flow = Flow(student.schedule, student.recipe.diffusion.prediction)
        self.identity = {**self.identity, 'distillation': settings.model_dump(mode='json')}

    def loss(self, examples: Examples, draw: Draw) -> Tensor:
        """Pseudo-Huber distance (Song and Dhariwal 2023) between the two ends of the flow."""
        noise, steps, delays, _ = (extra.to(examples.actions.device) for extra in draw.extra)
        student, flow, vector = self.model, self._flow, examples.observations.vector
        mask = None
        with torch.no_grad():
            condition = student.condition(vector, self._look(examples, draw))
            clean = student.encode(vector, examples.actions)
            noisy = student.schedule.add_noise(clean, noise, steps)
            if student.recipe.diffusion.prefix is not None:
                horizons = student.task.horizons
                mask = prefix.certain(delays, horizons.prediction, horizons.now)
            x = _pinned(noisy, clean, mask)
            x_next, following = x, steps
            for _ in range(self._how.solver_steps):
                here = following
                following = (here - self._how.stride).clamp(min=-1)
                guess = self._guess(self._teacher, x_next, here, condition, mask)
                onwards = flow.towards(guess.clip(-_CLIP, _CLIP), x_next, here, following)
                x_next = _pinned(onwards, clean, mask)
            guess = self._guess(self.average, x_next, following, condition, mask)
            target = flow.end(guess.clip(-_CLIP, _CLIP), x_next, following)
        torch.manual_seed(int(draw.looks[0]))  # of dropout
        found = flow.end(self._guess(student, x, steps, condition, mask), x, steps)
        errors = _pinned((found - target) ** 2, torch.zeros_like(target), mask)
        slack = self._how.huber * errors[0].numel() ** 0.5
        return ((errors.flatten(1).sum(1) + slack**2).sqrt() - slack).mean()

    def _guess(
        self,
        policy: DiffusionPolicy,
        x: Tensor,
        steps: Tensor,
        condition: Tensor,
        mask: Tensor | None,
    ) -> Tensor:
        """What `policy` takes x for; at the end, where nobody needs to know, as at step 0."""
        output = policy.guided(policy.with_mask(x, mask), steps.clamp(min=0), condition)
        return self._flow.clean(output.float(), x, steps)

    @torch.no_grad()
    def validate(self, average: DiffusionPolicy) -> dict[str, float]:
        """Error of the executed actions [task units], and their distance from the teacher's."""
        taken = sample(average, self._validation, self._held_out)
        given = taken.observations, taken.noise
        own = average.predict(*given, seen=taken.seen)
        taught = self._teacher.predict(*given, seen=taken.seen)
        return {
            'action_error': action_error(average.task, own, taken.actions),
            'from_the_teacher': action_error(average.task, own, taught),
        }


def _pinned(x: Tensor, clean: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else prefix.pinned(x, clean, mask)
