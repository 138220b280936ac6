"""Noise schedules and the forward process of DDPM (Ho et al. 2020, section 2).

Steps count from 0 (least noise) to T - 1. alpha_t = 1 - beta_t, abar_t = alpha_0 ... alpha_t:
    q(x_t | x_0) = N(sqrt(abar_t) x_0, (1 - abar_t) I).

By hand, on four actions of the upper arc (sim/arcs.py). From [0, 1000]^2 they come to [-1, 1]^2:

>>> path = torch.tensor([[0, 500], [12, 512], [25, 524], [38, 535]], dtype=torch.float64)
>>> clean = path / 500 - 1
>>> clean.round(decimals=3).tolist()
[[-1.0, 0.0], [-0.976, 0.024], [-0.95, 0.048], [-0.924, 0.07]]

A schedule of two steps removes 10 % of the signal's power, then 20 % of what is left:

>>> betas = torch.tensor([0.1, 0.2], dtype=torch.float64)
>>> schedule = NoiseSchedule(betas, torch.cumprod(1 - betas, dim=0))
>>> [round(schedule.alpha_bar(step), 2) for step in (-1, 0, 1)]
[1.0, 0.9, 0.72]

At step 1 each number keeps sqrt(0.72) = 0.849 of itself and gets sqrt(0.28) = 0.529 of its noise,
as in 0.849 * -1 + 0.529 * 0.5 = -0.584:

>>> noise = torch.tensor([[0.5, -1.0], [1.2, 0.3], [-0.7, 0.1], [0.0, 2.0]], dtype=torch.float64)
>>> noisy = schedule.add_noise(clean[None], noise[None], torch.tensor([1]))[0]
>>> noisy.round(decimals=3).tolist()
[[-0.584, -0.529], [-0.193, 0.179], [-1.177, 0.094], [-0.784, 1.118]]

Two slips are common here. The noise is scaled by the standard deviation sqrt(1 - abar_t), not by
the variance 1 - abar_t: at the same step that would be 0.28, little more than half of it. And both
factors take the cumulative abar_t = 0.72, not this step's alpha_t = 0.8. Done right, actions of
unit variance keep it at every step, for abar_t + (1 - abar_t) = 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

ScheduleName = Literal['linear', 'scaled_linear', 'squared_cosine']
Prediction = Literal['epsilon', 'sample', 'v']


def linear_betas(steps: int, start: float = 1e-4, end: float = 0.02) -> Tensor:
    """Betas (T,) rising linearly (Ho et al. 2020)."""
    return torch.linspace(start, end, steps, dtype=torch.float64)


def scaled_linear_betas(steps: int, start: float = 1e-4, end: float = 0.02) -> Tensor:
    """Betas (T,) whose roots rise linearly (Rombach et al. 2022, latent diffusion)."""
    return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2


def squared_cosine_betas(steps: int, offset: float = 0.008, largest: float = 0.999) -> Tensor:
    """Betas (T,) whose abar follows a squared cosine (Nichol and Dhariwal 2021, eq. 17)."""

    def abar(fraction: float) -> float:
        return math.cos((fraction + offset) / (1 + offset) * math.pi / 2) ** 2

    betas = [min(1 - abar((t + 1) / steps) / abar(t / steps), largest) for t in range(steps)]
    return torch.tensor(betas, dtype=torch.float64)


BETAS: dict[ScheduleName, Callable[[int], Tensor]] = {
    'linear': linear_betas,
    'scaled_linear': scaled_linear_betas,
    'squared_cosine': squared_cosine_betas,
}


def clean_terms(prediction: Prediction, abar: float) -> tuple[float, float]:
    """p and q of x_0 = p x_t + q y, the clean sample that a denoiser's output y stands for.

    y is eps, x_0 itself, or v = sqrt(abar) eps - sqrt(1 - abar) x_0 (Salimans and Ho 2022).
    """
    root, root_noise = abar**0.5, (1 - abar) ** 0.5
    if prediction == 'sample':
        return 0.0, 1.0
    if prediction == 'v':
        return root, -root_noise
    return 1 / root, -root_noise / root


@dataclass(frozen=True)
class NoiseSchedule:
    """The tables that training and every sampler read; float64, so that no sampler loses digits.

    betas, alphas_bar: (T,).
    """

    betas: Tensor
    alphas_bar: Tensor

    @classmethod
    def named(cls, name: ScheduleName, steps: int) -> 'NoiseSchedule':
        """Build `name` with `steps` training steps T."""
        betas = BETAS[name](steps)
        return cls(betas=betas, alphas_bar=torch.cumprod(1 - betas, dim=0))

    @property
    def steps(self) -> int:
        """Number T of training steps."""
        return len(self.betas)

    def alpha_bar(self, step: int) -> float:
        """abar at `step`; 1 (no noise) before step 0."""
        return float(self.alphas_bar[step]) if step >= 0 else 1.0

    def add_noise(self, clean: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """Forward process x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps.

        clean, noise: (B, ...); steps: (B,) integers. Returns (B, ...).
        """
        abar = self._at(steps, clean)
        return abar.sqrt() * clean + (1 - abar).sqrt() * noise

    def target(
        self, prediction: Prediction, clean: Tensor, noise: Tensor, steps: Tensor
    ) -> Tensor:
        """What a denoiser of `clean` and `noise` (B, ...) at `steps` (B,) should answer."""
        if prediction == 'sample':
            return clean
        if prediction == 'epsilon':
            return noise
        abar = self._at(steps, clean)
        return abar.sqrt() * noise - (1 - abar).sqrt() * clean

    def min_snr_weights(self, gamma: float, prediction: Prediction) -> Tensor:
        """Weights (T,) of the squared error at each step (Hang et al. 2023, min-SNR).

        On the clean sample's error the weight is min(SNR, gamma), SNR = abar / (1 - abar); an
        error of the output is q times as large there (`clean_terms`), so its weight is q^2 times
        that one: min(SNR, gamma) / SNR for epsilon, min(SNR, gamma) / (SNR + 1) for v.
        """
        weights = [
            min(abar / (1 - abar), gamma) * clean_terms(prediction, abar)[1] ** 2
            for abar in self.alphas_bar.tolist()
        ]
        return torch.tensor(weights, dtype=torch.float64)

    def _at(self, steps: Tensor, like: Tensor) -> Tensor:
        """abar of each of `steps` (B,), to multiply `like` (B, ...) with."""
        abar = self.alphas_bar.to(like.device)[steps].to(like.dtype)
        return abar.reshape(-1, *[1] * (like.ndim - 1))
