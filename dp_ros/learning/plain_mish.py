"""Mish in operations that every runtime has fast kernels for; the function is that of nn.Mish."""

import torch
from torch import Tensor, nn

from dp_ros.learning.replacing import replace_modules


def mish(x: Tensor) -> Tensor:
    """x tanh(log(1 + e^x)) = x n / (2 - n), with n = s (2 - s) and s = 1 / (1 + e^-x).

    For u = 1 + e^x it is 1 - n = 1 / u^2, and the hyperbolic tangent is (u^2 - 1) / (u^2 + 1).
    """
    share = torch.sigmoid(x)
    share = share * (2 - share)
    return x * (share / (2 - share))


def make_plain(network: nn.Module) -> None:
    """Say each nn.Mish of `network` in this way, in place."""
    replace_modules(network, lambda child: _Mish() if isinstance(child, nn.Mish) else None)


class _Mish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return mish(x)
