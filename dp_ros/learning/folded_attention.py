"""A transformer for single chunks: fewer products of matrices for the same function.

A score is q k = (W_q x) k = x (W_q^T k), and what a head adds to a token is a W_o v. Keys and
values of the memory do not depend on x, so W_q^T k and W_o v are prepared with them, once a chunk
(those of the denoising step once for good), and each step is left with two narrow products instead
of two square ones. Attention of the actions to themselves multiplies with the weights of queries,
keys and values at once. The functions are those of learning/transformer.py; for inference alone.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from dp_ros.learning.replacing import replace_modules
from dp_ros.learning.transformer import Attention, TransformerDenoiser


def by_folding(network: TransformerDenoiser) -> TransformerDenoiser:
    """A copy of `network` whose attention is prepared as far as it goes."""
    folded = copy.deepcopy(network)
    replace_modules(folded.blocks, _folded)
    return folded.eval().requires_grad_(False)


def _folded(layer: nn.Module) -> nn.Module | None:
    return _Attention(layer) if isinstance(layer, Attention) else None


class _Attention(nn.Module):
    """transformer.Attention; of a memory token it remembers (heads * (2 width + 1))."""

    def __init__(self, layer: Attention) -> None:
        super().__init__()
        self._heads, width = layer.heads, layer.query.in_features
        size = width // self._heads
        self.key, self.value = layer.key, layer.value
        # Scores are divided by sqrt(size) in any case.
        question, offset = (part * size**-0.5 for part in (layer.query.weight, layer.query.bias))
        weights = [question, layer.key.weight, layer.value.weight]
        self.entering = nn.Parameter(torch.cat(weights))  # (3 width, width)
        self.entering_bias = nn.Parameter(torch.cat([offset, layer.key.bias, layer.value.bias]))
        self.question = nn.Parameter(question.view(self._heads, size, width))
        self.offset = nn.Parameter(offset.view(self._heads, size, 1))
        leave = layer.leave.weight.view(width, self._heads, size).permute(1, 2, 0)
        self.answer = nn.Parameter(leave.contiguous())  # (heads, size, width)
        self.leave = layer.leave

    def within(self, x: Tensor, visible: Tensor) -> Tensor:
        """Of x (B, T, width) to itself."""
        entered = functional.linear(x, self.entering, self.entering_bias)
        query, key, value = (
            part.unflatten(2, (self._heads, -1)).transpose(1, 2)  # (B, heads, T, size)
            for part in entered.chunk(3, dim=2)
        )
        mixed = (query @ key.transpose(2, 3) + visible).softmax(dim=-1) @ value
        result: Tensor = self.leave(mixed.transpose(1, 2).flatten(2))
        return result

    def remember(self, memory: Tensor) -> Tensor:
        """What x is multiplied with for a score, what a score adds, and where scores begin."""
        key, value = (
            part.unflatten(2, (self._heads, -1)).transpose(1, 2)  # (B, heads, S, size)
            for part in (self.key(memory), self.value(memory))
        )
        found = torch.cat([key @ self.question, value @ self.answer, key @ self.offset], dim=3)
        return found.transpose(1, 2).flatten(2)

    def forward(self, x: Tensor, remembered: Tensor, visible: Tensor) -> Tensor:
        """See transformer.Attention."""
        width = x.shape[2]
        each = remembered.unflatten(2, (self._heads, -1))  # (B, S, heads, 2 width + 1)
        begin = each[..., 2 * width]  # (B, S, heads)
        looked, given = (
            part.flatten(1, 2)  # (B, S * heads, width)
            for part in (each[..., :width], each[..., width : 2 * width])
        )
        scores = (x @ looked.transpose(1, 2)).unflatten(2, begin.shape[1:])  # (B, T, S, heads)
        shares = (scores + begin[:, None] + visible[..., None]).softmax(dim=2).flatten(2)
        result: Tensor = shares @ given + self.leave.bias
        return result
