"""A perceptron over the flattened chunk: a small denoiser for low-dimensional state on a CPU.

About a tenth of a small U-Net's computation.
"""

from typing import cast

import torch
from torch import Tensor, nn

from dp_ros.learning.embedding import StepEmbedding
from dp_ros.learning.two_inputs import TwoInputs


class ResidualBlock(nn.Module):
    """Pre-normalised residual perceptron; the condition is added at its entry: (B, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Sequential(nn.Linear(width, width), nn.Mish(), nn.Linear(width, width))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        result: Tensor = x + self.inner(self.norm(x) + condition)
        return result


class MLPDenoiser(nn.Module):
    """Noisy actions (B, T_p, A), steps (B,), condition (B, C) -> denoiser output (B, T_p, A).

    With `mask` the noisy actions are (B, T_p, A + 1): learning/prefix.py.
    """

    def __init__(
        self,
        action_dim: int,
        horizon: int,
        condition_dim: int,
        width: int = 384,
        blocks: int = 4,
        step_embedding: int = 64,
        mask: bool = False,
    ) -> None:
        super().__init__()
        self._mask = mask
        self._chunk = (horizon, action_dim)
        self.embed_step = StepEmbedding(step_embedding)
        self.embed_condition = nn.Sequential(
            TwoInputs(step_embedding, condition_dim, width), nn.Mish(), nn.Linear(width, width)
        )
        self.enter = nn.Linear(horizon * (action_dim + mask), width)
        self.blocks = nn.ModuleList([ResidualBlock(width) for _ in range(blocks)])
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, horizon * action_dim))

    def forward(self, noisy: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        return self.step(noisy, self.prepare(self.embed(steps), condition))

    def embed(self, steps: Tensor) -> Tensor:
        """The step's share (B, width) of the first layer, and its bias."""
        return cast('TwoInputs', self.embed_condition[0]).of_first(self.embed_step(steps))

    def prepare(self, embedded: Tensor, condition: Tensor) -> Tensor:
        """The condition (B, width) that every block is given."""
        first, activation, second = self.embed_condition
        hidden = embedded + cast('TwoInputs', first).of_second(condition)
        prepared: Tensor = second(activation(hidden))
        return prepared

    def step(self, noisy: Tensor, part: Tensor) -> Tensor:
        x = self.enter(self._flat(noisy))  # (B, width)
        for block in self.blocks:
            x = block(x, part)
        output: Tensor = self.leave(x).unflatten(1, self._chunk)  # (B, T_p, A)
        return output

    def _flat(self, noisy: Tensor) -> Tensor:
        """All actions, then the mask of all: a network without a mask is then easily widened."""
        if not self._mask:
            return noisy.flatten(1)
        return torch.cat([noisy[..., :-1].flatten(1), noisy[..., -1]], dim=1)
