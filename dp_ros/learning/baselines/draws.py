"""Other random things than a Gaussian chunk, drawn from the noise of one: it decides them all."""

import math

import torch
from torch import Tensor


def uniform(noise: Tensor) -> Tensor:
    """Noise (B, T_p, A) from N(0, I) -> numbers (B,) from U(0, 1), one of each chunk."""
    flat = noise.flatten(1)
    return torch.special.ndtr(flat.sum(dim=1) / math.sqrt(flat.shape[1]))


def choose(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Indices (B, n), or (B,), of what has `probabilities` (B, k), for uniforms of that shape."""
    sums = probabilities.cumsum(dim=-1)
    total = sums[:, -1:]
    below = torch.nextafter(total, torch.zeros_like(total))  # a uniform number may round to 1
    wanted = torch.minimum(uniforms.reshape(len(sums), -1) * total, below)
    return torch.searchsorted(sums, wanted.contiguous(), right=True).reshape(uniforms.shape)
