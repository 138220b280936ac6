"""A denoiser taken apart by how often its parts change.

Sampling calls a denoiser y(x, t, c) many times with one condition c. What it makes of t alone is
the same for every chunk; what it makes of t and c (FiLM's scales and biases, keys and values of a
memory) is prepared for all denoising steps of a chunk at once, its weights are read once, and what
c alone gives is computed once; each step is left with what depends on x.
"""

from typing import Protocol

from torch import Tensor


class Stepwise(Protocol):
    """y(x, t, c) = step(x, prepare(embed(t), c))."""

    def __call__(self, noisy: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        """y(x, t, c) at once."""

    def embed(self, steps: Tensor) -> Tensor:
        """Steps (B,) -> embedded (B, E)."""

    def prepare(self, embedded: Tensor, condition: Tensor) -> Tensor:
        """Embedded (B, E), condition (B, C), or (1, C) for all of them -> part (B, P)."""

    def step(self, noisy: Tensor, part: Tensor) -> Tensor:
        """Noisy (B, T_p, A), part (B, P) -> denoiser output (B, T_p, A)."""
