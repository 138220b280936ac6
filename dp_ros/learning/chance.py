"""Everything that is random in a training step: it depends on the seed and the step alone.

So a run that is resumed goes on to the bit, and a step that is computed in parts, or by several
processes, is the same step; but for dropout, which each part draws anew, and for the mean over the
actions that a prefix leaves free, which is taken in each part.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

Extra = Callable[[int, Generator], tuple[Tensor, ...]]
"""(batch, generator) -> what a loss needs besides, each (batch, ...)."""


@dataclass(frozen=True)
class Draw:
    """One step's windows `rows` (B,), seeds of their augmentation `looks` (B,), and `extra`."""

    rows: Tensor
    looks: Tensor
    extra: tuple[Tensor, ...]

    def part(self, index: int, count: int) -> 'Draw':
        """Part `index` of `count` equal ones."""
        size = len(self.rows) // count
        share = slice(index * size, (index + 1) * size)
        return Draw(self.rows[share], self.looks[share], tuple(e[share] for e in self.extra))


@dataclass(frozen=True)
class Draws:
    """The draws of a run over `windows` windows."""

    seed: int
    windows: int
    batch: int
    extra: Extra

    def __call__(self, step: int) -> Draw:
        """What step `step` uses."""
        generator = Generator().manual_seed(self.seed * 1_000_003 + step)
        rows = torch.randint(self.windows, (self.batch,), generator=generator)
        extra = self.extra(self.batch, generator)
        looks = torch.randint(2**31, (self.batch,), generator=generator)
        return Draw(rows, looks, extra)
