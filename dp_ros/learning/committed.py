"""What the arm will do anyway while the policy thinks, as a condition on the next chunk.

A prediction has T_p actions; the one at index `now` is decided at the anchor. Counted from there,
the first d actions of the plan before are executed until the new chunk arrives (its delay), and
what that plan holds beyond them is a preference that fades (Black et al. 2025, arXiv 2506.07339).
"""

import math
from dataclasses import dataclass
from typing import Any, Generic

import torch
from torch import Tensor

from dp_ros.learning.sampler import Samples


@dataclass(frozen=True)
class Committed(Generic[Samples]):
    """The plan before, in the denoiser's terms (normalised, in the frame of the new window).

    target: (B, T_p, A), zero where nothing is known; weights: (T_p,) in [0, 1]: 1 where the
    action will be executed in any case, falling towards 0 where the new chunk is free; executed:
    how many actions ago that plan was made. Tensors and numpy arrays are treated alike.
    """

    target: Samples
    weights: Samples
    executed: int = 1

    @property
    def pinned(self) -> Any:
        """(T_p,) whether the action is certain."""
        return self.weights >= 1


def soft_weights(horizon: int, now: int, delay: int, executed: int) -> Tensor:
    """Weights (T_p,) of a plan before that was `executed` (s) actions ago (Black et al., eq. 5).

    With H = T_p - now usable actions, counted from `now`: 1 for i < d; for d <= i < H - s
    c (e^c - 1) / (e - 1) with c = (H - s - i) / (H - s - d + 1); then 0. What lies before `now`
    has been executed already, and is certain.
    """
    usable = horizon - now
    overlap = usable - executed
    if not 0 <= delay <= overlap:
        raise ValueError(
            f'a delay of {delay} steps outruns the {overlap} actions that are left of the plan '
            f'before ({usable} usable, {executed} executed)'
        )
    weights = torch.zeros(horizon)
    for i in range(overlap):
        closeness = (overlap - i) / (overlap - delay + 1)
        faded = closeness * (math.e**closeness - 1) / (math.e - 1)
        weights[now + i] = 1.0 if i < delay else faded
    if delay:
        weights[:now] = 1.0
    return weights


def hard_weights(horizon: int, now: int, delay: int) -> Tensor:
    """Weights (T_p,) that pin what is certain and leave the rest free."""
    weights = torch.zeros(horizon)
    weights[: now + delay if delay else 0] = 1.0
    return weights
