"""The CNN denoiser: a 1D temporal U-Net over the action chunk, conditioned by FiLM.

Chi et al. 2023, section 3.1, after Janner et al. 2022 (Diffuser): the observation is not denoised;
with the step embedding it sets scale and bias of every channel (FiLM, Perez et al. 2018).
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from dp_ros.learning.embedding import StepEmbedding
from dp_ros.learning.two_inputs import TwoInputs


class ConvBlock(nn.Sequential):
    """Convolution over time, group normalisation, Mish: (B, in, T) -> (B, out, T)."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, groups: int) -> None:
        super().__init__(
            nn.Conv1d(channels_in, channels_out, kernel, padding=kernel // 2),
            nn.GroupNorm(groups, channels_out),
            nn.Mish(),
        )


class FiLM(nn.Sequential):
    """Embedded step and condition -> scale and bias (B, 2 channels): the sum of two shares."""

    def __init__(self, step_embedding: int, condition: int, channels: int) -> None:
        super().__init__(nn.Mish(), TwoInputs(step_embedding, condition, 2 * channels))

    def of_step(self, embedding: Tensor) -> Tensor:
        """Of the embedded step (B, step_embedding), with the constant."""
        activation, linear = self
        return cast('TwoInputs', linear).of_first(activation(embedding))

    def of_condition(self, condition: Tensor) -> Tensor:
        """Of the condition (B, C)."""
        activation, linear = self
        return cast('TwoInputs', linear).of_second(activation(condition))


class FiLMResidualBlock(nn.Module):
    """Two convolutions with FiLM between them and a residual path: (B, in, T) -> (B, out, T)."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        step_embedding: int,
        condition: int,
        kernel: int,
        groups: int,
    ) -> None:
        super().__init__()
        self.first = ConvBlock(channels_in, channels_out, kernel, groups)
        self.second = ConvBlock(channels_out, channels_out, kernel, groups)
        self.film = FiLM(step_embedding, condition, channels_out)
        self.residual = (
            nn.Conv1d(channels_in, channels_out, 1)
            if channels_in != channels_out
            else nn.Identity()
        )

    def forward(self, x: Tensor, film: Tensor) -> Tensor:
        """film: (B, 2 out), what `self.film` makes of step and condition."""
        scale, bias = film[..., None].chunk(2, dim=1)  # (B, out, 1) each
        hidden = self.first(x) * scale + bias
        result: Tensor = self.second(hidden) + self.residual(x)
        return result


class ConditionalUnet1D(nn.Module):
    """Noisy actions (B, T_p, A), steps (B,), condition (B, C) -> denoiser output (B, T_p, A).

    T_p must be divisible by 2**(len(widths) - 1). With `mask` the noisy actions are
    (B, T_p, A + 1): learning/prefix.py. What does not depend on the noisy actions is prepared
    apart (learning/stepwise.py): part is (B, P), scale and bias of every channel of every block.
    """

    # Axis of the channels between the layers.
    channels = 1

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

        def block(channels_in: int, channels_out: int) -> FiLMResidualBlock:
            return FiLMResidualBlock(
                channels_in, channels_out, step_embedding, condition_dim, kernel, groups
            )

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
        return self.step(noisy, self.prepare(self.embed(steps), condition))

    def embed(self, steps: Tensor) -> Tensor:
        """The step's share (B, P) of the scales and biases of all blocks."""
        embedding = self.embed_step(steps)
        return torch.cat([block.film.of_step(embedding) for block in self.blocks()], dim=1)

    def prepare(self, embedded: Tensor, condition: Tensor) -> Tensor:
        films = [block.film.of_condition(condition) for block in self.blocks()]
        return embedded + torch.cat(films, dim=1)

    def step(self, noisy: Tensor, part: Tensor) -> Tensor:
        return self.denoise(noisy, part)

    def blocks(self) -> list[FiLMResidualBlock]:
        """All blocks that FiLM conditions, in the order of their use."""
        levels = [*self.down, *self.up]
        pairs = [list(cast('nn.ModuleList', level))[:2] for level in levels]
        pairs.insert(len(self.down), list(self.middle))
        return [cast('FiLMResidualBlock', block) for pair in pairs for block in pair]

    def denoise(self, noisy: Tensor, films: Tensor, local: Tensor | None = None) -> Tensor:
        """Output (B, T_p, A).

        local: features (B, T_p, widths[0]) of each step (learning/local_conditioning.py).
        """
        sizes = [cast('nn.Linear', block.film[1]).out_features for block in self.blocks()]
        film = iter(films.split(sizes, dim=1))
        x = noisy.movedim(2, self.channels)  # (B, A or A + 1, T_p)
        skips: list[Tensor] = []
        for level in self.down:
            first, second, shrink = cast('nn.ModuleList', level)
            x = first(x, next(film))
            if local is not None and not skips:
                x = x + local.movedim(2, self.channels)
            x = second(x, next(film))
            skips.append(x)
            x = shrink(x)  # (B, width, T_p / 2**level)
        for middle in self.middle:
            x = middle(x, next(film))
        for level in self.up:
            first, second, grow = cast('nn.ModuleList', level)
            x = torch.cat([x, skips.pop()], dim=self.channels)
            x = grow(second(first(x, next(film)), next(film)))
        output: Tensor = self.final(x).movedim(self.channels, 2)  # (B, T_p, A)
        return output
