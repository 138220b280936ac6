"""Exponential moving average of the weights: what is used after training."""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar('M', bound=nn.Module)


class ExponentialMovingAverage(Generic[M]):
    """Averaged copy of a model with the power schedule decay(k) = 1 - (1 + k)**-power.

    The average is short at first and grows with training (Chi et al. 2023 use power 0.75).
    """

    def __init__(self, model: M, power: float, largest: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.power, self.largest = power, largest

    def decay(self, step: int) -> float:
        """Weight of the old average at optimiser step `step`, counted from 0."""
        return min(self.largest, max(0.0, 1 - (1 + step) ** -self.power))

    @torch.no_grad()
    def update(self, model: M, step: int) -> None:
        """Move the average towards `model`; buffers (normalisers) are copied."""
        weight = 1 - self.decay(step)
        averaged: list[Tensor] = list(self.model.parameters())
        current: list[Tensor] = list(model.parameters())
        torch._foreach_lerp_(averaged, current, weight)
        for mine, other in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(other)
