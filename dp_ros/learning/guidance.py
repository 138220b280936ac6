"""Classifier-free guidance (Ho and Salimans 2022): more of what the condition changes.

In training the condition is dropped now and then, so that one network learns both the conditional
and the unconditional denoiser; the null condition that stands for none is all zeros.
"""

from typing import cast

import torch
from torch import Tensor, nn

from dp_ros.learning.stepwise import Stepwise


def dropped(condition: Tensor, drop: Tensor) -> Tensor:
    """Condition (B, C), and none where `drop` (B,) says so."""
    return torch.where(drop[:, None], 0.0, condition)


class ClassifierFree(nn.Module):
    """A denoiser y(x, t, c) as y(x, t) + weight (y(x, t, c) - y(x, t)).

    weight 0 knows no condition, 1 is the denoiser itself, more exaggerates. At one x and t the
    noise, the clean sample and v depend on each other by the same affine map, so it is the same
    guidance whatever the denoiser predicts. Two calls of the network for one, or one
    with twice as many chunks.
    """

    def __init__(self, denoiser: nn.Module, weight: float) -> None:
        super().__init__()
        self._denoiser, self._weight = cast('Stepwise', denoiser), weight

    def forward(self, noisy: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        free: Tensor = self._denoiser(noisy, steps, torch.zeros_like(condition))
        given: Tensor = self._denoiser(noisy, steps, condition)
        return free + self._weight * (given - free)

    def embed(self, steps: Tensor) -> Tensor:
        return self._denoiser.embed(steps)

    def prepare(self, embedded: Tensor, condition: Tensor) -> Tensor:
        """Without and with the condition: (B, 2 P)."""
        free = self._denoiser.prepare(embedded, torch.zeros_like(condition))
        return torch.cat([free, self._denoiser.prepare(embedded, condition)], dim=1)

    def step(self, noisy: Tensor, part: Tensor) -> Tensor:
        twice = torch.stack([noisy, noisy], dim=1).flatten(0, 1)  # (2 B, T_p, A)
        output = self._denoiser.step(twice, part.unflatten(1, (2, -1)).flatten(0, 1))
        free, given = output.unflatten(0, (-1, 2)).unbind(1)
        return free + self._weight * (given - free)
