"""Sampling: from noise back to data with a trained denoiser.

A denoiser is called as `denoise(x, step)` with x (B, ...) and an integer step, and answers in the
terms it was trained in: the noise (`epsilon`), the clean sample (`sample`) or the velocity (`v`).
A sampler is the rule that makes the next x from it; `sample` is the loop around any of them.
Tensors and numpy arrays are treated alike (Samples).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dp_ros.learning.own_generators import generators
from dp_ros.learning.schedule import NoiseSchedule, Prediction, clean_terms

Samples = TypeVar('Samples', Tensor, NDArray[np.float32])
Spacing = Literal['leading', 'trailing']
Variance = Literal['fixed_small', 'fixed_large']
Watcher = Callable[[int, Tensor], None]


def inference_steps(training_steps: int, count: int, spacing: Spacing) -> list[int]:
    """Which `count` of the T training steps a sampler visits, from noisy to clean.

    `leading` keeps step 0 and may leave out the noisiest ones; `trailing` keeps the noisiest one
    (Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed", table 2).
    """
    if not 1 <= count <= training_steps:
        raise ValueError(f'{count} denoising steps asked of a schedule of {training_steps}')
    if spacing == 'leading':
        stride = training_steps // count
        return [stride * i for i in reversed(range(count))]
    stride_exact = training_steps / count
    return [round(training_steps - stride_exact * i) - 1 for i in range(count)]


@dataclass(frozen=True)
class Step(Generic[Samples]):
    """One denoising step: x = sqrt(abar) clean + sqrt(1 - abar) epsilon, on its way to abar_next.

    x: (B, ...); clean, epsilon: what the denoiser takes x for; `fresh()` draws from N(0, I).
    """

    x: Samples
    clean: Samples
    epsilon: Samples
    abar: float
    abar_next: float
    fresh: Callable[[], Samples]


class Sampler(Protocol):
    """What x becomes at abar_next; `before` is the step before this one, None at the first.

    random: whether it draws fresh noise on its way. The step that ends at the data never does.
    """

    @property
    def random(self) -> bool: ...

    def __call__(self, now: Step[Samples], before: Step[Samples] | None) -> Samples: ...


@dataclass(frozen=True)
class DDIM:
    """Song et al. 2021, eq. 12: deterministic for eta = 0, as random as DDPM for eta = 1."""

    eta: float = 0.0

    @property
    def random(self) -> bool:
        return self.eta > 0

    def __call__(self, now: Step[Samples], before: Step[Samples] | None) -> Samples:
        variance = self.eta**2 * _posterior_variance(now)
        direction = (1 - now.abar_next - variance) ** 0.5
        x = now.abar_next**0.5 * now.clean + direction * now.epsilon
        return x + variance**0.5 * now.fresh() if variance else x


@dataclass(frozen=True)
class DDPM:
    """Ancestral sampling (Ho et al. 2020, Algorithm 2).

    With fewer steps than T the product of the skipped alphas takes the place of alpha_t. The
    variance is that of the posterior (`fixed_small`, eq. 7) or beta_t (`fixed_large`).
    """

    variance: Variance = 'fixed_small'
    random: ClassVar[bool] = True

    def __call__(self, now: Step[Samples], before: Step[Samples] | None) -> Samples:
        alpha = now.abar / now.abar_next
        weight_clean = now.abar_next**0.5 * (1 - alpha) / (1 - now.abar)
        weight_x = alpha**0.5 * (1 - now.abar_next) / (1 - now.abar)
        x = weight_clean * now.clean + weight_x * now.x
        if now.abar_next == 1:
            return x
        variance = _posterior_variance(now) if self.variance == 'fixed_small' else 1 - alpha
        return x + variance**0.5 * now.fresh()


def sample(
    sampler: Sampler,
    denoise: Callable[[Samples, int], Samples],
    noise: Samples,
    schedule: NoiseSchedule,
    steps: list[int],
    prediction: Prediction,
    clip: float | None = 1.0,
    watch: Callable[[int, Samples], None] | None = None,
    constrain: Callable[[int, Samples], Samples] | None = None,
    generator: torch.Generator | None = None,
) -> Samples:
    """Noise (B, ...) from N(0, I) -> sample (B, ...).

    clip bounds the predicted clean sample; `watch(step, x)` sees every intermediate,
    `constrain(step, x)` changes what the denoiser is given. Fresh noise, for a sampler that takes
    some, comes from `generator`; without one, from a generator of each chunk that its own noise
    seeds: the same noise then gives the same sample, whatever is sampled beside it.
    """
    x, before, fresh = noise, None, _source(noise, generator)
    for step, next_step in zip(steps, [*steps[1:], -1], strict=True):
        if constrain is not None:
            x = constrain(step, x)
        abar = schedule.alpha_bar(step)
        clean, epsilon = _split(denoise(x, step), x, abar, prediction, clip)
        now = Step(x, clean, epsilon, abar, schedule.alpha_bar(next_step), fresh)
        x, before = sampler(now, before), now
        if watch is not None:
            watch(next_step, x)
    return x


def _split(
    output: Samples, x: Samples, abar: float, prediction: Prediction, clip: float | None
) -> tuple[Samples, Samples]:
    """Clean sample and noise that the network's output stands for, consistent after clipping."""
    share_x, share_output = clean_terms(prediction, abar)
    clean = share_x * x + share_output * output
    if clip is not None:
        clean = clean.clip(-clip, clip)
    # The noise follows from the clipped sample, so that x stays on the line between the two.
    return clean, (x - abar**0.5 * clean) / (1 - abar) ** 0.5


def _posterior_variance(now: Step[Samples]) -> float:
    """Variance of q(x_next | x, clean) (Ho et al. 2020, eq. 7)."""
    return (1 - now.abar_next) / (1 - now.abar) * (1 - now.abar / now.abar_next)


def _source(noise: Samples, generator: torch.Generator | None) -> Callable[[], Samples]:
    """Draws like `noise`."""
    like: Tensor = torch.as_tensor(noise)
    are_tensors = isinstance(noise, Tensor)
    sources: list[torch.Generator] = []

    def fresh() -> Any:
        if generator is not None:
            drawn = _normal(like, generator)
        else:
            sources.extend([] if sources else generators(like, like.device))
            drawn = torch.stack([_normal(*pair) for pair in zip(like, sources, strict=True)])
        return drawn if are_tensors else drawn.numpy()

    return fresh


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)
