"""Min-max normalisation to [-1, 1], fitted on the training windows."""

import torch
from torch import Tensor, nn


class MinMaxNormalizer(nn.Module):
    """Maps each number of a (..., *shape) array from [low, high] to [-1, 1] and back.

    The bounds are buffers, so they travel with the weights. A number that never varied in the
    data (high == low) maps to 0 and back to its constant.
    """

    low: Tensor
    high: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer('low', torch.full(shape, -1.0))
        self.register_buffer('high', torch.full(shape, 1.0))

    def fit(self, data: Tensor) -> None:
        """Take the bounds from data (N, *shape)."""
        if not torch.isfinite(data).all():
            raise ValueError('the training data holds NaN or infinite values')
        self.low.copy_(data.amin(dim=0))
        self.high.copy_(data.amax(dim=0))

    def normalize(self, values: Tensor) -> Tensor:
        """(..., *shape) -> (..., *shape) in [-1, 1] where the data was."""
        middle, half, constant = self._terms()
        return torch.where(constant, 0.0, (values - middle) / half)

    def denormalize(self, values: Tensor) -> Tensor:
        """Inverse of `normalize`."""
        middle, half, constant = self._terms()
        return torch.where(constant, middle, values * half + middle)

    def _terms(self) -> tuple[Tensor, Tensor, Tensor]:
        half = (self.high - self.low) / 2
        # Rounding alone makes a constant column differ in its last digits.
        constant = half <= 1e-6 * torch.maximum(self.high.abs(), self.low.abs()).clamp(min=1e-6)
        return (self.high + self.low) / 2, torch.where(constant, 1.0, half), constant
