"""Noise schedules and the forward process of DDPM (Ho et al. 2020, section 2).

Steps count from 0 (least noise) to T - 1. alpha_t = 1 - beta_t, abar_t = alpha_0 ... alpha_t:
    q(x_t | x_0) = N(sqrt(abar_t) x_0, (1 - abar_t) I).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

ScheduleName = Literal['linear', 'squared_cosine']
Prediction = Literal['epsilon', 'sample']


def linear_betas(steps: int, start: float = 1e-4, end: float = 0.02) -> Tensor:
    """Betas (T,) rising linearly (Ho et al. 2020)."""
    return torch.linspace(start, end, steps, dtype=torch.float64)


def squared_cosine_betas(steps: int, offset: float = 0.008, largest: float = 0.999) -> Tensor:
    """Betas (T,) whose abar follows a squared cosine (Nichol and Dhariwal 2021, eq. 17)."""

    def abar(fraction: float) -> float:
        return math.cos((fraction + offset) / (1 + offset) * math.pi / 2) ** 2

    betas = [min(1 - abar((t + 1) / steps) / abar(t / steps), largest) for t in range(steps)]
    return torch.tensor(betas, dtype=torch.float64)


BETAS: dict[ScheduleName, Callable[[int], Tensor]] = {
    'linear': linear_betas,
    'squared_cosine': squared_cosine_betas,
}


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
        abar = self.alphas_bar.to(clean.device)[steps].to(clean.dtype)
        abar = abar.reshape(-1, *[1] * (clean.ndim - 1))
        return abar.sqrt() * clean + (1 - abar).sqrt() * noise
