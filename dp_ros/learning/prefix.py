"""A clean prefix: the network is told what is certain, and learns to go on from there.

Training-time action conditioning for real-time chunking (arXiv 2512.05964): for a drawn delay d
the actions before index now + d are given without noise, and only the rest is learned. There every
action has its own noise level; a denoiser with one level for the whole chunk gets a mask channel
(1: clean and certain) as the last number of each action.
"""

from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from dp_ros.learning.recipe import Prefix
from dp_ros.learning.sampler import Samples

NOT_TRAINED = (
    'this policy was not trained with a clean prefix; choose another transition, or train it with '
    'diffusion: {prefix: {most: 4}} in the recipe'
)


def draw_delays(prefix: Prefix, count: int, generator: Generator) -> Tensor:
    """Delays (count,) in 0 .. most: 0 with probability `free`, the others alike."""
    delays = torch.randint(1, prefix.most + 1, (count,), generator=generator)
    is_free = torch.rand(count, generator=generator) < prefix.free
    return torch.where(is_free, 0, delays)


def certain(delays: Tensor, horizon: int, now: int) -> Tensor:
    """Which actions (B, T_p) are certain: those before now + d, and none where d = 0."""
    ends = torch.where(delays > 0, now + delays, 0)
    return torch.arange(horizon, device=delays.device) < ends[:, None]


def pinned(x: Samples, clean: Samples, mask: Any) -> Samples:
    """x (B, T_p, A) with the clean actions where `mask` (B, T_p) or (T_p,) says so.

    Tensors and numpy arrays are treated alike.
    """
    if isinstance(x, Tensor):
        return torch.where(mask[..., None], clean, x)
    return np.where(mask[..., None], clean, x)


def with_mask(x: Samples, mask: Any = None) -> Samples:
    """Actions (B, T_p, A) and mask (T_p,) or (B, T_p) -> (B, T_p, A + 1); None: nothing certain.

    Tensors and numpy arrays are treated alike.
    """
    if isinstance(x, Tensor):
        channel = torch.zeros_like(x[..., :1])
        return torch.cat([x, channel if mask is None else channel + mask[..., None]], dim=-1)
    zeros = np.zeros_like(x[..., :1])
    return np.concatenate([x, zeros if mask is None else zeros + mask[..., None]], axis=-1)


def free_mean(errors: Tensor, mask: Tensor) -> Tensor:
    """Mean of errors (B, T_p, A) over the actions that are not certain."""
    free = (~mask)[..., None].to(errors)
    return (errors * free).sum() / (free.sum() * errors.shape[-1])
