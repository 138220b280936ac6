"""The transformer denoiser: a decoder over action tokens that looks at what was observed.

Chi et al. 2023, section 3.1, after minGPT: an action token sees the actions before it, the
denoising step, and the observations up to its own time. Normalisation comes first in each branch.
Training starts elsewhere than minGPT's (normal weights of 0.02), which leaves a narrow network
next to nothing of what was observed: tokens, positions and memory begin with a variance of one.
"""

from typing import cast

import torch
from torch import Tensor, nn

from dp_ros.learning.embedding import Sinusoids


class Attention(nn.Module):
    """Multi-head attention of x (B, T, width) to memory (B, S, width) -> (B, T, width)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.leave = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def remember(self, memory: Tensor) -> Tensor:
        """Keys and values (B, S, 2 width) of the memory."""
        return torch.cat([self.key(memory), self.value(memory)], dim=2)

    def within(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """Of x (B, T, width) to itself."""
        return self(x, self.remember(x), visible)

    def forward(self, x: Tensor, remembered: Tensor, visible: Tensor | None = None) -> Tensor:
        """remembered: of `remember`; visible: (T, S), 0 where x may look and -inf where not."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, T or S, width/heads)
            for part in (self.query(x), *remembered.chunk(2, dim=2))
        )
        scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5  # (B, heads, T, S)
        if visible is not None:
            scores = scores + visible
        mixed = self.drop(scores.softmax(dim=-1)) @ value
        result: Tensor = self.leave(mixed.transpose(1, 2).flatten(2))
        return result


class Block(nn.Module):
    """Self-attention, attention to a memory if it `crosses`, and a perceptron; each residual."""

    def __init__(self, width: int, heads: int, dropout: float, crosses: bool) -> None:
        super().__init__()
        self.norm_self = nn.LayerNorm(width)
        self.attend_self = Attention(width, heads, dropout)
        self.norm_memory = nn.LayerNorm(width) if crosses else None
        self.attend_memory = Attention(width, heads, dropout) if crosses else None
        self.norm_inner = nn.LayerNorm(width)
        self.inner = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
        )
        self.drop = nn.Dropout(dropout)

    def soften(self, branches: int) -> None:
        """Make each branch the smaller, the more `branches` are added up (as GPT-2 does)."""
        crossing = [] if self.attend_memory is None else [self.attend_memory.leave]
        with torch.no_grad():
            for layer in (self.attend_self.leave, *crossing, cast('nn.Linear', self.inner[-1])):
                layer.weight.mul_(branches**-0.5)

    def forward(
        self,
        x: Tensor,
        visible: Tensor | None = None,
        remembered: Tensor | None = None,
        visible_memory: Tensor | None = None,
    ) -> Tensor:
        """remembered: what `attend_memory` remembers of the memory."""
        normed = self.norm_self(x)
        x = x + self.drop(self.attend_self.within(normed, visible))
        if self.norm_memory is not None and self.attend_memory is not None:
            x = x + self.drop(self.attend_memory(self.norm_memory(x), remembered, visible_memory))
        result: Tensor = x + self.drop(self.inner(self.norm_inner(x)))
        return result


class TransformerDenoiser(nn.Module):
    """Noisy actions (B, T_p, A), steps (B,), condition (B, T_o * F) -> output (B, T_p, A).

    The memory is one token for the denoising step, then one for each observed step. It passes
    `condition_layers` encoder blocks, or a perceptron if there are none. `begins` is the index of
    the observed step that the first action belongs to: action token t sees those up to
    t + begins. With `mask` the noisy actions are (B, T_p, A + 1): learning/prefix.py.
    """

    visible: Tensor
    visible_memory: Tensor

    def __init__(
        self,
        action_dim: int,
        horizon: int,
        condition_dim: int,
        observation_steps: int,
        begins: int = 0,
        width: int = 256,
        layers: int = 8,
        heads: int = 4,
        condition_layers: int = 0,
        dropout: float = 0.3,
        embedding_dropout: float = 0.0,
        mask: bool = False,
    ) -> None:
        super().__init__()
        self._observed = (observation_steps, condition_dim // observation_steps)
        self._looking = condition_layers > 0
        self.embed_step = Sinusoids(width)
        self.embed_observation = nn.Linear(self._observed[1], width)
        self.memory_positions = nn.Parameter(torch.zeros(1 + observation_steps, width))
        self.encoder: nn.Sequential = (
            nn.Sequential(*(Block(width, heads, dropout, False) for _ in range(condition_layers)))
            if condition_layers
            else nn.Sequential(nn.Linear(width, 4 * width), nn.Mish(), nn.Linear(4 * width, width))
        )
        self.enter = nn.Linear(action_dim + mask, width)
        self.positions = nn.Parameter(torch.zeros(horizon, width))
        self.drop = nn.Dropout(embedding_dropout)
        self.blocks = nn.ModuleList([Block(width, heads, dropout, True) for _ in range(layers)])
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, action_dim))
        action = torch.arange(horizon)[:, None]
        self.register_buffer('visible', _where(torch.arange(horizon) <= action), persistent=False)
        memory = torch.arange(1 + observation_steps)  # the step comes before the observations
        seen = memory - 1 <= action + begins
        self.register_buffer('visible_memory', _where(seen), persistent=False)
        self.apply(_initialise)
        for block in self.blocks:
            cast('Block', block).soften(3 * layers)
        for positions in (self.memory_positions, self.positions):
            nn.init.normal_(positions)

    def forward(self, noisy: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        return self.step(noisy, self.prepare(self.embed(steps), condition))

    def embed(self, steps: Tensor) -> Tensor:
        """The step's token of the memory (B, width), or what is remembered of it.

        The latter is (B, layers * 2 width), where no token of the memory looks at another.
        """
        token = self.drop(self.embed_step(steps) + self.memory_positions[0])
        return token if self._looking else self._remember(token[:, None]).flatten(1)

    def prepare(self, embedded: Tensor, condition: Tensor) -> Tensor:
        """Keys and values (B, layers * (1 + T_o) * 2 width) of the memory, for every block."""
        observed = self.embed_observation(condition.unflatten(1, self._observed))
        observed = self.drop(observed + self.memory_positions[1:])  # (B or 1, T_o, width)
        if self._looking:
            tokens = embedded[:, None], observed.expand(embedded.shape[0], -1, -1)
            return self._remember(torch.cat(tokens, dim=1)).flatten(1)
        of_step = embedded.unflatten(1, (len(self.blocks), 1, -1))
        of_observed = self._remember(observed).expand(embedded.shape[0], -1, -1, -1)
        return torch.cat([of_step, of_observed], dim=2).flatten(1)

    def _remember(self, tokens: Tensor) -> Tensor:
        """Tokens (B, S, width) of the memory -> keys and values (B, layers, S, 2 width)."""
        encoded = self.encoder(tokens)
        attending = [cast('Attention', block.attend_memory) for block in self.blocks]
        return torch.stack([each.remember(encoded) for each in attending], dim=1)

    def step(self, noisy: Tensor, part: Tensor) -> Tensor:
        shape = len(self.blocks), len(self.memory_positions), -1
        remembered = part.unflatten(1, shape).unbind(1)  # each (B, 1 + T_o, 2 width)
        x = self.drop(self.enter(noisy) + self.positions)  # (B, T_p, width)
        for block, each in zip(self.blocks, remembered, strict=True):
            x = block(x, self.visible, each, self.visible_memory)
        output: Tensor = self.leave(x)  # (B, T_p, A)
        return output

    def by_decay(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Weights that decay: matrices; and those that do not: biases, norms, positions."""
        matrices = {id(m.weight) for m in self.modules() if isinstance(m, nn.Linear)}
        decaying = [p for p in self.parameters() if id(p) in matrices]
        return decaying, [p for p in self.parameters() if id(p) not in matrices]


def _where(seen: Tensor) -> Tensor:
    """0 where `seen`, -inf elsewhere."""
    return torch.zeros(seen.shape).masked_fill(~seen, -torch.inf)


def _initialise(module: nn.Module) -> None:
    """Outputs of variance one for inputs of variance one."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
        nn.init.zeros_(module.bias)
