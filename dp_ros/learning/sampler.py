"""Samplers: from noise back to data with a trained denoiser, one function each.

A denoiser is called as `denoise(x, step)` with x (B, ...) and an integer step, and answers in the
terms it was trained in: the noise (`epsilon`) or the clean sample (`sample`).
"""

from collections.abc import Callable
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dp_ros.learning.schedule import NoiseSchedule, Prediction

Samples = TypeVar('Samples', Tensor, NDArray[np.float32])
Denoiser = Callable[[Tensor, int], Tensor]
Spacing = Literal['leading', 'trailing']
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


def ddim(
    denoise: Callable[[Samples, int], Samples],
    noise: Samples,
    schedule: NoiseSchedule,
    steps: list[int],
    prediction: Prediction,
    clip: float | None = 1.0,
    watch: Callable[[int, Samples], None] | None = None,
    constrain: Callable[[int, Samples], Samples] | None = None,
) -> Samples:
    """Deterministic DDIM (Song et al. 2021, eq. 12 with eta = 0).

    noise: (B, ...) from N(0, I); clip bounds the predicted clean sample; `watch(step, x)` sees
    every intermediate, `constrain(step, x)` changes what the denoiser is given. Tensors and numpy
    arrays are treated alike. Returns the sample (B, ...).
    """
    x = noise
    for step, next_step in zip(steps, [*steps[1:], -1], strict=True):
        if constrain is not None:
            x = constrain(step, x)
        abar, abar_next = schedule.alpha_bar(step), schedule.alpha_bar(next_step)
        clean, epsilon = _split(denoise(x, step), x, abar, prediction, clip)
        x = abar_next**0.5 * clean + (1 - abar_next) ** 0.5 * epsilon
        if watch is not None:
            watch(next_step, x)
    return x


def ddpm(
    denoise: Denoiser,
    noise: Tensor,
    schedule: NoiseSchedule,
    steps: list[int],
    prediction: Prediction,
    generator: torch.Generator,
    clip: float | None = 1.0,
    watch: Watcher | None = None,
) -> Tensor:
    """Ancestral sampling (Ho et al. 2020, Algorithm 2), with the posterior variance (eq. 7).

    noise: (B, ...) from N(0, I); the fresh noise of each step comes from `generator`. With fewer
    steps than T the product of the skipped alphas takes the place of alpha_t.
    """
    x = noise
    for step, next_step in zip(steps, [*steps[1:], -1], strict=True):
        abar, abar_next = schedule.alpha_bar(step), schedule.alpha_bar(next_step)
        alpha = abar / abar_next
        clean, _ = _split(denoise(x, step), x, abar, prediction, clip)
        weight_clean = abar_next**0.5 * (1 - alpha) / (1 - abar)
        weight_x = alpha**0.5 * (1 - abar_next) / (1 - abar)
        x = weight_clean * clean + weight_x * x
        if next_step >= 0:
            variance = (1 - abar_next) / (1 - abar) * (1 - alpha)
            fresh = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
            x = x + variance**0.5 * fresh
        if watch is not None:
            watch(next_step, x)
    return x


def _split(
    output: Samples, x: Samples, abar: float, prediction: Prediction, clip: float | None
) -> tuple[Samples, Samples]:
    """Clean sample and noise that the network's output stands for, consistent after clipping."""
    root, root_noise = abar**0.5, (1 - abar) ** 0.5
    clean = output if prediction == 'sample' else (x - root_noise * output) / root
    if clip is not None:
        clean = clean.clip(-clip, clip)
    # The noise follows from the clipped sample, so that x stays on the line between the two.
    return clean, (x - root * clean) / root_noise
