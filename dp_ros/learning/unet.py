"""The CNN denoiser: a 1D temporal U-Net over the action chunk, conditioned by FiLM.

Chi et al. 2023, section 3.1, after Janner et al. 2022 (Diffuser): the observation is not denoised;
with the step embedding it sets scale and bias of every channel (FiLM, Perez et al. 2018).
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from dp_ros.learning.embedding import StepEmbedding


class ConvBlock(nn.Sequential):
    """Convolution over time, group normalisation, Mish: (B, in, T) -> (B, out, T)."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, groups: int) -> None:
        super().__init__(
            nn.Conv1d(channels_in, channels_out, kernel, padding=kernel // 2),
            nn.GroupNorm(groups, channels_out),
            nn.Mish(),
        )


class FiLMResidualBlock(nn.Module):
    """Two convolutions with FiLM between them and a residual path: (B, in, T) -> (B, out, T)."""

    def __init__(
        self, channels_in: int, channels_out: int, condition: int, kernel: int, groups: int
    ) -> None:
        super().__init__()
        self.first = ConvBlock(channels_in, channels_out, kernel, groups)
        self.second = ConvBlock(channels_out, channels_out, kernel, groups)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(condition, 2 * channels_out))
        self.residual = (
            nn.Conv1d(channels_in, channels_out, 1)
            if channels_in != channels_out
            else nn.Identity()
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, bias = self.film(condition)[..., None].chunk(2, dim=1)  # (B, out, 1) each
        hidden = self.first(x) * scale + bias
        result: Tensor = self.second(hidden) + self.residual(x)
        return result


class ConditionalUnet1D(nn.Module):
    """Noisy actions (B, T_p, A), steps (B,), condition (B, C) -> denoiser output (B, T_p, A).

    T_p must be divisible by 2**(len(widths) - 1). With `mask` the noisy actions are
    (B, T_p, A + 1): learning/prefix.py.
    """

    def __init__(
        self,
        action_dim: int,
        condition_dim: int,
        widths: Sequence[int] = (256, 512, 1024),
        step_embedding: int = 256,
        kernel: int = 5,
        groups: int = 8,
        mask: bool = False,
    ) -> None:
        super().__init__()
        self.embed_step = StepEmbedding(step_embedding)
        condition = step_embedding + condition_dim

        def block(channels_in: int, channels_out: int) -> FiLMResidualBlock:
            return FiLMResidualBlock(channels_in, channels_out, condition, kernel, groups)

        pairs = list(zip([action_dim + mask, *widths[:-1]], widths, strict=True))
        last = len(widths) - 1
        self.down = nn.ModuleList(
            nn.ModuleList(
                [
                    block(narrow, wide),
                    block(wide, wide),
                    nn.Conv1d(wide, wide, 3, stride=2, padding=1) if i < last else nn.Identity(),
                ]
            )
            for i, (narrow, wide) in enumerate(pairs)
        )
        self.middle = nn.ModuleList([block(widths[-1], widths[-1]) for _ in range(2)])
        self.up = nn.ModuleList(
            nn.ModuleList(
                [
                    block(2 * wide, narrow),
                    block(narrow, narrow),
                    nn.ConvTranspose1d(narrow, narrow, 4, stride=2, padding=1),
                ]
            )
            for narrow, wide in reversed(pairs[1:])
        )
        self.final = nn.Sequential(
            ConvBlock(widths[0], widths[0], kernel, groups), nn.Conv1d(widths[0], action_dim, 1)
        )

    def forward(self, noisy: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        return self.denoise(noisy, torch.cat([self.embed_step(steps), condition], dim=-1))

    def denoise(self, noisy: Tensor, condition: Tensor, local: Tensor | None = None) -> Tensor:
        """Output (B, T_p, A) under `condition`, the step embedding first.

        local: features (B, widths[0], T_p) of each step (learning/local_conditioning.py).
        """
        x = noisy.transpose(1, 2)  # (B, A or A + 1, T_p)
        skips: list[Tensor] = []
        for level in self.down:
            first, second, shrink = cast('nn.ModuleList', level)
            x = first(x, condition)
            if local is not None and not skips:
                x = x + local
            x = second(x, condition)
            skips.append(x)
            x = shrink(x)  # (B, width, T_p / 2**level)
        for middle in self.middle:
            x = middle(x, condition)
        for level in self.up:
            first, second, grow = cast('nn.ModuleList', level)
            x = torch.cat([x, skips.pop()], dim=1)
            x = grow(second(first(x, condition), condition))
        output: Tensor = self.final(x).transpose(1, 2)  # (B, T_p, A)
        return output
