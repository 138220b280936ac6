"""A linear layer of two inputs side by side, each of whose shares can be computed apart."""

from torch import Tensor, nn
from torch.nn import functional


class TwoInputs(nn.Linear):
    """(B, first + second) -> (B, out) = of_first(B, first) + of_second(B, second)."""

    def __init__(self, first: int, second: int, out: int) -> None:
        super().__init__(first + second, out)
        self._first = first

    def of_first(self, x: Tensor) -> Tensor:
        """The first input's share, and the bias."""
        return functional.linear(x, self.weight[:, : self._first], self.bias)

    def of_second(self, x: Tensor) -> Tensor:
        """The second input's share."""
        return functional.linear(x, self.weight[:, self._first :])
