"""Derivative-free search for the lowest energy (Florence et al. 2021, Algorithm 1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from dp_ros.learning.baselines import draws


@dataclass(frozen=True)
class Search:
    """How long and how finely is searched, in the box [-bound, bound]^A."""

    samples: int
    iterations: int
    spread: float
    shrink: float
    bound: float

    def __call__(
        self, energy: Callable[[Tensor], Tensor], size: int, sources: Sequence[Generator]
    ) -> Tensor:
        """The best of the samples (B, size) of each source.

        energy: (B, n, size) -> (B, n). The samples begin anywhere in the box; then, again and
        again, they are drawn anew with probabilities proportional to exp(-energy), and moved by
        Gaussian steps that shrink.
        """
        n = self.samples
        start = torch.stack([torch.rand(n, size, generator=source) for source in sources])
        found = (2 * start - 1) * self.bound
        energies = energy(found)
        spread = self.spread
        for _ in range(self.iterations - 1):
            picked = torch.stack([torch.rand(n, generator=source) for source in sources])
            steps = torch.stack([torch.randn(n, size, generator=source) for source in sources])
            rows = draws.choose((-energies).softmax(dim=-1), picked)  # (B, n)
            kept = found.gather(1, rows[..., None].expand(-1, -1, size))
            found = (kept + spread * steps).clamp(-self.bound, self.bound)
            energies = energy(found)
            spread *= self.shrink
        return found[torch.arange(len(found)), energies.argmin(dim=1)]
