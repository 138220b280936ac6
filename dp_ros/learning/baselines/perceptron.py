"""A residual perceptron: the network of the baselines that need no other."""

from torch import Tensor, nn


class Residual(nn.Module):
    """Pre-normalised block: (..., width) -> (..., width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.Mish(), nn.Linear(width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.inner(x)
        return result


def perceptron(numbers: int, width: int, blocks: int, out: int) -> nn.Sequential:
    """(..., numbers) -> (..., out)."""
    return nn.Sequential(
        nn.Linear(numbers, width),
        *(Residual(width) for _ in range(blocks)),
        nn.LayerNorm(width),
        nn.Mish(),
        nn.Linear(width, out),
    )
