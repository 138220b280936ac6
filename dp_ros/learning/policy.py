"""The diffusion policy: observation window in, action chunk out; and its training loss.

Chi et al. 2023: the observations condition the denoiser, they are not denoised. The features of
T_o steps and of all cameras are concatenated with proprioception. The noise is an argument
everywhere, so the same window and noise give the same chunk.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dp_ros.learning import guidance, prefix, sampler, samplers
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.committed import Committed, soft_weights
from dp_ros.learning.mlp import MLPDenoiser
from dp_ros.learning.observations import Observations
from dp_ros.learning.recipe import Recipe, UnetNetwork
from dp_ros.learning.sampler import Samples, Watcher
from dp_ros.learning.schedule import NoiseSchedule
from dp_ros.learning.transition import Denoising
from dp_ros.learning.unet import ConditionalUnet1D
from dp_ros.learning.vision import VisionEncoder
from dp_ros.task import Task


class DiffusionPolicy(ChunkPolicy):
    """Denoiser, image encoders, normalisers and features of one task.

    Shapes: T_o observed steps of D numbers and V image features, T_p predicted actions of A
    numbers. `vision` is None for a task without cameras.
    """

    def __init__(self, task: Task, recipe: Recipe) -> None:
        super().__init__(task, recipe.features)
        self.recipe = recipe
        self.vision = _vision(task, recipe)
        step_dim = self.feature_dim + (self.vision.dim if self.vision else 0)
        self.condition_dim = task.horizons.observation * step_dim
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

    def with_inference_steps(self, count: int) -> 'DiffusionPolicy':
        """The same network, denoised in `count` steps."""
        diffusion = self.recipe.diffusion.model_copy(update={'inference_steps': count})
        changed = DiffusionPolicy(
            self.task, self.recipe.model_copy(update={'diffusion': diffusion})
        )
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
    def input_shape(self) -> tuple[int, int]:
        """Shape of a chunk as the denoiser takes it: (T_p, A), or (T_p, A + 1) with a mask."""
        horizon, actions = self.noise_shape
        return horizon, actions + (self.recipe.diffusion.prefix is not None)

    def with_mask(self, x: Samples, mask: Any = None) -> Samples:
        """Chunks (B, T_p, A) -> what the denoiser takes (B, *input_shape).

        mask: (T_p,) or (B, T_p), 1 where x is clean and certain; tensors and numpy arrays are
        treated alike. Raises ValueError for a mask that the policy was not trained with.
        """
        if self.recipe.diffusion.prefix is not None:
            return prefix.with_mask(x, mask)
        if mask is not None:
            raise ValueError(prefix.NOT_TRAINED)
        return x

    def look(self, observations: Observations) -> Tensor | None:
        """Image features (B, T_o, V) of the cameras; None for a task without any."""
        return None if self.vision is None else self.vision(observations.images)

    def condition(self, vector: Tensor, seen: Tensor | None) -> Tensor:
        """Vectors (B, T_o, D) and image features (B, T_o, V) -> condition (B, T_o * (F + V))."""
        steps = self.steps(vector)
        if seen is not None:
            steps = torch.cat([steps, seen.to(steps.dtype)], dim=-1)
        return steps.flatten(1)

    def loss(
        self,
        observations: Observations,
        actions: Tensor,
        noise: Tensor,
        steps: Tensor,
        seen: Tensor | None = None,
        delays: Tensor | None = None,
        drop: Tensor | None = None,
    ) -> Tensor:
        """Mean squared error of the prediction (Ho et al. 2020, eq. 14).

        actions: (B, T_p, A) in task units; noise: (B, T_p, A) from N(0, I); steps: (B,) in [0, T);
        seen: the image features (B, T_o, V), where they are known already; delays: (B,), how many
        actions from now on are certain (learning/prefix.py); None: 0 everywhere; drop: (B,), which
        windows learn without their observations (learning/guidance.py); None: none.
        """
        vector = observations.vector
        seen = self.look(observations) if seen is None else seen
        clean = self.encode(vector, actions)
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
        return errors.mean() if mask is None else prefix.free_mean(errors, mask)

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

        diffusion = self.recipe.diffusion
        return Denoising(
            denoise,
            self.schedule,
            self.inference_steps,
            diffusion.prediction,
            samplers.chosen(diffusion),
            masked=denoise if diffusion.prefix else None,
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

        noise: (B, T_p, A) from N(0, I); seen: the image features (B, T_o, V), where they are known
        already. `generator` feeds a random sampler's own noise (without one it follows from
        `noise`); `watch(step, x)` sees the intermediates, in the denoiser's terms. Returns actions
        (B, T_p, A) in task units; action `task.horizons.now` is the one decided at the window's
        last step.
        """
        seen = self.look(observations) if seen is None else seen
        denoising = self.denoising(self.condition(observations.vector, seen))
        clean = denoising.sample(noise, watch=watch, generator=generator)
        return self.decode(observations.vector, clean)


def _vision(task: Task, recipe: Recipe) -> VisionEncoder | None:
    if not task.cameras:
        return None
    if recipe.vision is None:
        raise ValueError(
            f'task {task.name!r} has cameras, but the recipe has no image encoder; give it one, '
            f'as in vision: {{kind: resnet18}}'
        )
    return VisionEncoder(task.cameras, recipe.vision)


def _check_prefix(task: Task, recipe: Recipe) -> None:
    setting, horizons = recipe.diffusion.prefix, task.horizons
    if setting is not None and horizons.now + setting.most >= horizons.prediction:
        raise ValueError(
            f'diffusion.prefix.most {setting.most} leaves nothing to predict: predictions of '
            f'{horizons.prediction} actions, {horizons.now} of them before now, take at most '
            f'{horizons.prediction - horizons.now - 1}'
        )


def build_denoiser(task: Task, recipe: Recipe, condition_dim: int) -> nn.Module:
    """The network that the recipe names."""
    network, horizon = recipe.network, task.horizons.prediction
    mask = recipe.diffusion.prefix is not None
    if isinstance(network, UnetNetwork):
        coarsest = 2 ** (len(network.widths) - 1)
        if horizon % coarsest:
            raise ValueError(
                f'a U-Net of {len(network.widths)} levels halves the horizon '
                f'{len(network.widths) - 1} times: prediction must be a multiple of {coarsest}, '
                f'found {horizon}'
            )
        return ConditionalUnet1D(
            task.action_dim,
            condition_dim,
            network.widths,
            network.step_embedding,
            network.kernel,
            network.groups,
            mask,
        )
    return MLPDenoiser(
        task.action_dim,
        horizon,
        condition_dim,
        network.width,
        network.blocks,
        network.step_embedding,
        mask,
    )
