"""The diffusion policy: observation window in, action chunk out; and its training loss.

Chi et al. 2023: the observations condition the denoiser, they are not denoised. The features of
T_o steps and of all cameras are concatenated with proprioception. The noise is an argument
everywhere, so the same window and noise give the same chunk.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dp_ros.learning import guidance, prefix, sampler, samplers
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.committed import Committed, soft_weights
from dp_ros.learning.denoiser import build_denoiser, inpaints
from dp_ros.learning.inpainting import ALONE, unknown_mean
from dp_ros.learning.observations import Observations
from dp_ros.learning.recipe import Recipe, SamplerName
from dp_ros.learning.sampler import Samples, Watcher
from dp_ros.learning.schedule import NoiseSchedule
from dp_ros.learning.transition import CleanPrefix, Denoising, Switch, Transition
from dp_ros.task import Task


class DiffusionPolicy(ChunkPolicy):
    """Denoiser, image encoders, normalisers and features of one task.

    Shapes: T_o observed steps of D numbers and V image features, T_p predicted actions of A
    numbers. `vision` is None for a task without cameras.
    """

    def __init__(self, task: Task, recipe: Recipe) -> None:
        super().__init__(task, recipe.features, recipe.vision)
        self.recipe = recipe
        _check_prefix(task, recipe)
        self.denoiser = build_denoiser(task, recipe, self.condition_dim)
        diffusion = recipe.diffusion
        self.schedule = NoiseSchedule.named(diffusion.schedule, diffusion.training_steps)
        self._weights: Tensor | None = None  # (T,) of the loss
        if diffusion.snr_gamma is not None:
            self._weights = self.schedule.min_snr_weights(
                diffusion.snr_gamma, diffusion.prediction
            )
        self.inference_steps = sampler.inference_steps(
            diffusion.training_steps, diffusion.inference_steps, diffusion.spacing
        )

    def with_sampler(
        self, sampler: SamplerName | None = None, steps: int | None = None
    ) -> 'DiffusionPolicy':
        """The same network, denoised by `sampler` in `steps` steps; None: as it is.

        Another sampler has its options as they are by default. Raises ValueError for a sampler
        that the policy was not trained for, or more steps than it was trained with.
        """
        diffusion = self.recipe.diffusion.model_dump()
        if sampler is not None and sampler != diffusion['sampler']:
            diffusion = {k: v for k, v in diffusion.items() if k not in ('eta', 'variance')}
            diffusion['sampler'] = sampler
        if steps is not None:
            diffusion['inference_steps'] = steps
        recipe = Recipe.model_validate({**self.recipe.model_dump(), 'diffusion': diffusion})
        changed = DiffusionPolicy(self.task, recipe)
        changed.load_state_dict(self.state_dict())
        return changed.eval()

    @property
    def guided(self) -> nn.Module:
        """The denoiser as samplers use it: with the recipe's guidance, if it has any."""
        weight = self.recipe.diffusion.guidance
        if weight is None:
            return self.denoiser
        return guidance.ClassifierFree(self.denoiser, weight).train(self.training)

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Shape of the noise of one chunk: (T_p, A), or (T_p, A + F) if observations are, too."""
        horizon, actions = super().noise_shape
        return horizon, actions + (self.feature_dim if inpaints(self.recipe) else 0)

    @property
    def input_shape(self) -> tuple[int, int]:
        """Shape of a chunk as the denoiser takes it: that of its noise, and one for a mask."""
        horizon, denoised = self.noise_shape
        return horizon, denoised + (self.recipe.diffusion.prefix is not None)

    @property
    def best_transition(self) -> str:
        return 'switch' if self.recipe.diffusion.prefix is None else 'prefix'

    def check_transition(self, transition: Transition) -> None:
        if inpaints(self.recipe) and transition != Switch():
            raise ValueError(ALONE)
        if isinstance(transition, CleanPrefix) and self.recipe.diffusion.prefix is None:
            raise ValueError(prefix.NOT_TRAINED)

    def with_mask(self, x: Samples, mask: Any = None) -> Samples:
        """Chunks (B, *noise_shape) -> what the denoiser takes (B, *input_shape).

        mask: (T_p,) or (B, T_p), 1 where x is clean and certain; tensors and numpy arrays are
        treated alike. Raises ValueError for a mask that the policy was not trained with.
        """
        if self.recipe.diffusion.prefix is not None:
            return prefix.with_mask(x, mask)
        if mask is not None:
            raise ValueError(prefix.NOT_TRAINED)
        return x

    def loss(
        self,
        observations: Observations,
        actions: Tensor,
        noise: Tensor,
        steps: Tensor,
        seen: Tensor | None = None,
        delays: Tensor | None = None,
        drop: Tensor | None = None,
        later: Tensor | None = None,
    ) -> Tensor:
        """Mean squared error of the prediction (Ho et al. 2020, eq. 14).

        actions: (B, T_p, A) in task units; noise: (B, *noise_shape) from N(0, I); steps: (B,) in
        [0, T); seen: the image features (B, T_o, V), where they are known already; delays: (B,),
        how many actions from now on are certain (learning/prefix.py); None: 0 everywhere; drop:
        (B,), which windows learn without their observations (learning/guidance.py); None: none;
        later: (B, T_p - T_o, D), what was observed after the windows, for a network that inpaints.
        """
        vector = observations.vector
        seen = self.look(observations) if seen is None else seen
        clean = self._clean(vector, actions, later)
        noisy = self.schedule.add_noise(clean, noise, steps)
        condition = self.condition(vector, seen)
        if drop is not None:
            condition = guidance.dropped(condition, drop)
        target = self.schedule.target(self.recipe.diffusion.prediction, clean, noise, steps)
        mask = None
        if delays is not None:
            mask = prefix.certain(delays, self.task.horizons.prediction, self.task.horizons.now)
            noisy = prefix.pinned(noisy, clean, mask)
        output = self.denoiser(self.with_mask(noisy, mask), steps, condition)
        errors = (output.float() - target) ** 2
        if self._weights is not None:
            errors = errors * self._weights.to(errors)[steps, None, None]
        if inpaints(self.recipe):
            return unknown_mean(errors, self.task.action_dim, self.task.horizons.observation)
        return errors.mean() if mask is None else prefix.free_mean(errors, mask)

    def held_out_loss(
        self,
        observations: Observations,
        actions: Tensor,
        noise: Tensor,
        generator: torch.Generator,
        seen: Tensor | None = None,
        later: Tensor | None = None,
    ) -> Tensor:
        steps = torch.randint(self.schedule.steps, (len(actions),), generator=generator)
        return self.loss(observations, actions, noise, steps.to(actions.device), seen, later=later)

    def _clean(self, vector: Tensor, actions: Tensor, later: Tensor | None) -> Tensor:
        """What is noised in training, (B, *noise_shape)."""
        clean = self.encode(vector, actions)
        if not inpaints(self.recipe):
            return clean
        ahead = self.task.horizons.prediction - self.task.horizons.observation
        if later is None or later.shape[1] != ahead:
            raise ValueError(
                f'a network that inpaints observations learns from those of the {ahead} steps '
                f'after each window, which these windows do not hold: make them with '
                f'sample_windows'
            )
        observed = torch.cat([self.steps(vector), self.steps(later)], dim=1)  # (B, T_p, F)
        return torch.cat([clean, observed], dim=-1)

    def decode(self, vector: Tensor, clean: Tensor) -> Tensor:
        """Denoised chunks (B, *noise_shape) -> actions (B, T_p, A) in task units."""
        return super().decode(vector, clean[..., : self.task.action_dim])

    def committed(
        self, vector: Tensor, before: Tensor | None, delay: int
    ) -> Committed[Tensor] | None:
        """The plan before as a condition on the next chunk of the windows `vector` (B, T_o, D).

        before: (B, T_p, A) in task units, step for step beside the new chunk, NaN where it has no
        action; its first `delay` actions from now on will be executed. None without a plan, or
        where one of the actions up to there is not known: the arm had not begun, or will have
        stopped.
        """
        if before is None:
            return None
        known = torch.isfinite(before).all(dim=2).all(dim=0)  # (T_p,)
        if self.recipe.features.control == 'velocity':
            known = known.cumprod(dim=0).bool()  # a difference needs the action before it
        horizons = self.task.horizons
        certain = horizons.now + delay if delay else 0
        if not known.any() or not known[:certain].all():
            return None
        executed = horizons.prediction - 1 - int(known.nonzero().max())
        if executed > horizons.prediction - horizons.now:
            return None
        weights = soft_weights(horizons.prediction, horizons.now, delay, executed)
        target = self.encode(vector, torch.nan_to_num(before))
        return Committed(
            torch.where(known[:, None], target, 0.0), (weights * known.cpu()).to(target), executed
        )

    def denoising(self, condition: Tensor) -> Denoising[Tensor]:
        """The denoiser under `condition` (B, C), as chunk transitions use it."""
        network = self.guided

        def denoise(x: Tensor, step: int, mask: Tensor | None = None) -> Tensor:
            steps = torch.full((len(x),), step, device=x.device)
            each = condition.repeat_interleave(len(x) // len(condition), dim=0)
            output: Tensor = network(self.with_mask(x, mask), steps, each)
            return output

        return self.denoising_by(denoise, self.inference_steps)

    def denoising_by(
        self,
        denoise: Callable[..., Samples],
        steps: list[int],
        pull: Callable[[Samples, int, Samples, Samples, float], tuple[Samples, Samples]]
        | None = None,
    ) -> Denoising[Samples]:
        """With `denoise(x, step, mask=None)` as the denoiser, however that computes."""
        diffusion = self.recipe.diffusion
        return Denoising(
            denoise,
            self.schedule,
            steps,
            diffusion.prediction,
            samplers.chosen(diffusion),
            masked=denoise if diffusion.prefix else None,
            pull=pull,
        )

    @torch.no_grad()
    def predict(
        self,
        observations: Observations,
        noise: Tensor,
        generator: torch.Generator | None = None,
        watch: Watcher | None = None,
        seen: Tensor | None = None,
    ) -> Tensor:
        """Denoise action chunks.

        noise: (B, *noise_shape) from N(0, I); seen: the image features (B, T_o, V), where they are
        known already. `generator` feeds a random sampler's own noise (without one it follows from
        `noise`); `watch(step, x)` sees the intermediates, in the denoiser's terms. Returns actions
        (B, T_p, A) in task units; action `task.horizons.now` is the one decided at the window's
        last step.
        """
        seen = self.look(observations) if seen is None else seen
        denoising = self.denoising(self.condition(observations.vector, seen))
        clean = denoising.sample(noise, watch=watch, generator=generator)
        return self.decode(observations.vector, clean)


def _check_prefix(task: Task, recipe: Recipe) -> None:
    setting, horizons = recipe.diffusion.prefix, task.horizons
    if setting is not None and horizons.now + setting.most >= horizons.prediction:
        raise ValueError(
            f'diffusion.prefix.most {setting.most} leaves nothing to predict: predictions of '
            f'{horizons.prediction} actions, {horizons.now} of them before now, take at most '
            f'{horizons.prediction - horizons.now - 1}'
        )
