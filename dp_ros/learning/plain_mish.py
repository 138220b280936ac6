"""Mish in operations that every runtime has fast kernels for; the function is that of nn.Mish."""

import copy

import torch
from torch import Tensor, nn


def mish(x: Tensor) -> Tensor:
    """x tanh(log(1 + e^x)) = x n / (2 - n), with n = s (2 - s) and s = 1 / (1 + e^-x).

    For u = 1 + e^x it is 1 - n = 1 / u^2, and the hyperbolic tangent is (u^2 - 1) / (u^2 + 1).
    """
    share = torch.sigmoid(x)
    share = share * (2 - share)
    return x * (share / (2 - share))


def with_plain_mish(network: nn.Module) -> nn.Module:
    """A copy of `network`, for inference alone."""
    changed = copy.deepcopy(network).eval().requires_grad_(False)
    _replace(changed)
    return changed


class _Mish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return mish(x)


def _replace(parent: nn.Module) -> None:
    for name, child in parent.named_children():
        if isinstance(child, nn.Mish):
            setattr(parent, name, _Mish())
        else:
            _replace(child)
