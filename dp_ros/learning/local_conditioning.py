"""A U-Net that sees each observation at its own step of the chunk (local conditioning).

Chi et al. 2023, published code: the observed steps lie beside the first T_o actions, zeros beside
the rest; their features are added at full resolution. The second encoder that is published with
it, for the way up, is never used there, so there is none here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from dp_ros.learning.unet import ConditionalUnet1D, FiLMResidualBlock


class LocalUnet1D(ConditionalUnet1D):
    """Like ConditionalUnet1D; the condition is (B, T_o * F), and FiLM tells of the step alone."""

    def __init__(
        self,
        action_dim: int,
        horizon: int,
        condition_dim: int,
        observation_steps: int,
        widths: Sequence[int] = (256, 512, 1024),
        step_embedding: int = 256,
        kernel: int = 5,
        groups: int = 8,
        mask: bool = False,
    ) -> None:
        super().__init__(action_dim, 0, widths, step_embedding, kernel, groups, mask)
        self._observed = (observation_steps, condition_dim // observation_steps)
        self._rest = horizon - observation_steps
        self._width = widths[0]
        self.encode = FiLMResidualBlock(
            self._observed[1], widths[0], step_embedding, 0, kernel, groups
        )

    def embed(self, steps: Tensor) -> Tensor:
        """FiLM's part (B, P), and that of the features (B, 2 widths[0])."""
        film = self.encode.film.of_step(self.embed_step(steps))
        return torch.cat([super().embed(steps), film], dim=1)

    def prepare(self, embedded: Tensor, condition: Tensor) -> Tensor:
        """FiLM's part (B, P), and the features of each step (B, T_p * widths[0])."""
        films, film = embedded[:, : -2 * self._width], embedded[:, -2 * self._width :]
        observed = condition.unflatten(1, self._observed)  # (B, T_o, F)
        beside = functional.pad(observed, (0, 0, 0, self._rest)).movedim(2, self.channels)
        local = self.encode(beside, film).movedim(self.channels, 2)
        return torch.cat([films, local.flatten(1)], dim=1)

    def step(self, noisy: Tensor, part: Tensor) -> Tensor:
        horizon = self._observed[0] + self._rest
        size = horizon * self._width
        films, local = part[:, :-size], part[:, -size:]
        return self.denoise(noisy, films, local.unflatten(1, (horizon, self._width)))
