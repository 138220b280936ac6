"""Sinusoidal embedding of the denoising step (Vaswani et al. 2017, section 3.5)."""

import math

import torch
from torch import Tensor, nn


class Sinusoids(nn.Module):
    """Denoising steps (B,) -> (B, width): sines, then cosines, of falling frequencies."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        frequencies = torch.exp(torch.arange(half) * (-math.log(10_000) / (half - 1)))
        self.register_buffer('frequencies', frequencies, persistent=False)

    def forward(self, steps: Tensor) -> Tensor:
        angles = steps[:, None].float() * self.frequencies  # (B, width/2)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class StepEmbedding(nn.Module):
    """Denoising steps (B,) -> (B, width): sines and cosines, then a two-layer perceptron."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sinusoids = Sinusoids(width)
        self.project = nn.Sequential(
            nn.Linear(width, 4 * width), nn.Mish(), nn.Linear(4 * width, width)
        )

    def forward(self, steps: Tensor) -> Tensor:
        embedding: Tensor = self.project(self.sinusoids(steps))
        return embedding
