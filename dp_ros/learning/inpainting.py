"""Observations as inpainting: what is denoised holds observations and actions side by side.

Chi et al. 2023's variant for states, after Janner et al. 2022 (Diffuser): the network learns what
will be done and seen together, (B, T_p, A + F); what was observed is written over the first T_o
steps before each denoising step. Nothing else tells the network of it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dp_ros.learning.unet import ConditionalUnet1D

ALONE = (
    'a network that inpaints observations denoises them together with the actions, and cannot be '
    'given actions as well: choose the transition switch, and leave diffusion.prefix out of the '
    'recipe; or train with condition: global'
)


class InpaintingUnet1D(ConditionalUnet1D):
    """Noisy (B, T_p, A + F), steps (B,), condition (B, T_o * F) -> output (B, T_p, A + F)."""

    def __init__(
        self,
        action_dim: int,
        condition_dim: int,
        observation_steps: int,
        widths: Sequence[int] = (256, 512, 1024),
        step_embedding: int = 256,
        kernel: int = 5,
        groups: int = 8,
    ) -> None:
        self._observed = (observation_steps, condition_dim // observation_steps)
        self._actions = action_dim
        super().__init__(action_dim + self._observed[1], 0, widths, step_embedding, kernel, groups)

    def prepare(self, embedded: Tensor, condition: Tensor) -> Tensor:
        """FiLM's part (B, P), and what was observed."""
        return torch.cat([embedded, condition.expand(embedded.shape[0], -1)], dim=1)

    def step(self, noisy: Tensor, part: Tensor) -> Tensor:
        size = self._observed[0] * self._observed[1]
        films, condition = part[:, :-size], part[:, -size:]
        known = condition.unflatten(1, self._observed)
        unknown = noisy[:, known.shape[1] :, self._actions :]
        observations = torch.cat([known, unknown], dim=1)  # (B, T_p, F)
        trajectory = torch.cat([noisy[..., : self._actions], observations], dim=-1)
        return self.denoise(trajectory, films)


def unknown_mean(errors: Tensor, action_dim: int, observation_steps: int) -> Tensor:
    """Mean of errors (B, T_p, A + F) but for what was observed."""
    later = errors[:, observation_steps:, action_dim:]
    actions = errors[..., :action_dim]
    return (actions.sum() + later.sum()) / (actions.numel() + later.numel())
