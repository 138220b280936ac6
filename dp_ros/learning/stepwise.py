"""A denoiser taken apart by how often its parts change.

Sampling calls a denoiser y(x, t, c) many times with one condition c. What it makes of t and c
alone (FiLM's scales and biases, keys and values of a memory) is prepared for all denoising steps
of a chunk at once, and its weights are read once; each step is left with what depends on x.
"""

from typing import Protocol

from torch import Tensor


class Stepwise(Protocol):
    """y(x, t, c) = step(x, prepare(t, c))."""

    def __call__(self, noisy: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        """y(x, t, c) at once."""

    def prepare(self, steps: Tensor, condition: Tensor) -> Tensor:
        """Steps (B,), condition (B, C) -> part (B, P)."""

    def step(self, noisy: Tensor, part: Tensor) -> Tensor:
        """Noisy (B, T_p, A), part (B, P) -> denoiser output (B, T_p, A)."""
