"""A U-Net for single chunks on a CPU: each convolution as one product of matrices.

A chunk is short, so at batch one a convolution reads many weights for few results. With the steps
of time as rows (B, T, C) and the kernel's taps side by side the weights are the right-hand matrix,
which ONNX Runtime packs once at load and reads once a step, at the speed of memory. The functions
are those of learning/unet.py; for inference alone.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from dp_ros.learning.plain_mish import mish
from dp_ros.learning.replacing import replace_modules
from dp_ros.learning.unet import ConditionalUnet1D, ConvBlock, FiLMResidualBlock


def by_rows(network: ConditionalUnet1D) -> ConditionalUnet1D:
    """A copy of `network` that has rows of channels between its layers."""
    rows = copy.deepcopy(network)
    rows.channels = 2
    replace_modules(rows, _by_rows)
    return rows.eval().requires_grad_(False)


def _by_rows(layer: nn.Module) -> nn.Module | None:
    if isinstance(layer, FiLMResidualBlock):
        return _ResidualBlock(layer)
    if isinstance(layer, ConvBlock):
        return _ConvBlock(layer)
    if isinstance(layer, nn.ConvTranspose1d):
        return _Double(layer)
    return _Convolution(layer) if isinstance(layer, nn.Conv1d) else None


class _Convolution(nn.Module):
    """nn.Conv1d: (B, T, in) -> (B, T / stride, out)."""

    def __init__(self, layer: nn.Conv1d) -> None:
        super().__init__()
        (self._taps,), (self._stride,) = layer.kernel_size, layer.stride
        self._padding = (self._taps - 1) // 2
        wide, narrow, _ = layer.weight.shape
        self._in, self._out = narrow, wide
        weight = layer.weight.permute(2, 1, 0).reshape(self._taps * narrow, wide)
        self.weight = nn.Parameter(weight.contiguous())
        self.bias = _bias(layer)

    def forward(self, x: Tensor) -> Tensor:
        length = int(x.shape[1])  # a number, not a node of the graph
        ends = (length + 2 * self._padding - self._taps) // self._stride + 1
        if self._taps > 1:
            begins = self._stride * torch.arange(ends)[:, None]
            # (B, T / stride, taps, in)
            x = functional.pad(x, (0, 0, self._padding, self._padding))[
                :, begins + torch.arange(self._taps)
            ]
        rows = x.reshape(-1, self._taps * self._in)
        return torch.addmm(self.bias, rows, self.weight).view(-1, ends, self._out)


class _Double(nn.Module):
    """nn.ConvTranspose1d with kernel 4, stride 2, padding 1: (B, T, in) -> (B, 2 T, out).

    y[2 i] = x[i - 1] W_3 + x[i] W_1, and y[2 i + 1] = x[i] W_2 + x[i + 1] W_0.
    """

    def __init__(self, layer: nn.ConvTranspose1d) -> None:
        super().__init__()
        self._in, self._out, _ = layer.weight.shape
        taps = layer.weight.unbind(2)
        self.even = nn.Parameter(torch.cat([taps[3], taps[1]]))
        self.odd = nn.Parameter(torch.cat([taps[2], taps[0]]))
        self.bias = _bias(layer)

    def forward(self, x: Tensor) -> Tensor:
        length = int(x.shape[1])
        padded = functional.pad(x, (0, 0, 1, 1))
        sides = [(padded[:, :length], x, self.even), (x, padded[:, 2:], self.odd)]
        both = [
            torch.addmm(
                self.bias, torch.cat([left, right], dim=2).reshape(-1, 2 * self._in), weight
            )
            for left, right, weight in sides
        ]
        return torch.cat(both, dim=1).view(-1, 2 * length, self._out)


def _bias(layer: nn.Conv1d | nn.ConvTranspose1d) -> Tensor:
    if layer.bias is None:
        raise ValueError(f'{layer} has no bias, and every convolution here has one')
    return layer.bias


class _ConvBlock(nn.Module):
    """ConvBlock: (B, T, in) -> (B, T, out)."""

    def __init__(self, block: ConvBlock) -> None:
        super().__init__()
        convolution, norm, _ = block
        assert isinstance(convolution, nn.Conv1d)
        assert isinstance(norm, nn.GroupNorm)
        self.convolution = _Convolution(convolution)
        self._eps, self._grouped = (
            norm.eps,
            (norm.num_groups, norm.num_channels // norm.num_groups),
        )
        # Beside (B, groups, T, channels of a group).
        self.scale = nn.Parameter(norm.weight.view(-1, 1, self._grouped[1]))
        self.shift = nn.Parameter(norm.bias.view(-1, 1, self._grouped[1]))

    def forward(self, x: Tensor) -> Tensor:
        length = int(x.shape[1])
        grouped = self.convolution(x).view(-1, length, *self._grouped).transpose(1, 2)
        normed = functional.layer_norm(grouped, (length, self._grouped[1]), eps=self._eps)
        hidden = mish(normed * self.scale + self.shift)
        channels = self._grouped[0] * self._grouped[1]
        return hidden.transpose(1, 2).reshape(-1, length, channels)


class _ResidualBlock(nn.Module):
    """FiLMResidualBlock: (B, T, in), film (B, 2 out) -> (B, T, out)."""

    def __init__(self, block: FiLMResidualBlock) -> None:
        super().__init__()
        self.first, self.second = _ConvBlock(block.first), _ConvBlock(block.second)
        self.film = block.film
        residual = block.residual
        self.residual = _Convolution(residual) if isinstance(residual, nn.Conv1d) else residual

    def forward(self, x: Tensor, film: Tensor) -> Tensor:
        scale, bias = film[:, None].chunk(2, dim=2)  # (B, 1, out) each
        result: Tensor = self.second(self.first(x) * scale + bias) + self.residual(x)
        return result
