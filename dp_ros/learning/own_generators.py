"""Randomness that a chunk owes to its own noise: it does not depend on what is drawn beside it."""

import zlib

import torch
from torch import Generator, Tensor


def generators(noise: Tensor, device: torch.device | str = 'cpu') -> list[Generator]:
    """A generator on `device` for each chunk of noise (B, ...), seeded by it alone."""
    rows = noise.detach().cpu().contiguous().numpy()
    return [Generator(device).manual_seed(zlib.crc32(row.tobytes())) for row in rows]
