"""What the training loop is given: a job, the machine that does it, and whom to tell."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from torch import Generator, Tensor, nn

from dp_ros.data.windows import Windows
from dp_ros.learning.batches import Examples
from dp_ros.learning.chance import Draw
from dp_ros.learning.descent import Learned
from dp_ros.learning.distributed import ALONE, Peers
from dp_ros.learning.recipe import Run


@dataclass(frozen=True)
class Machine:
    """Where to train: the device, processes that read images, and those of torchrun."""

    device: str = 'cpu'
    workers: int = 0
    peers: Peers = ALONE


HERE = Machine()


@dataclass(frozen=True)
class Progress:
    """What a caller is told: frames encoded, or steps made; `figures` when validation was due."""

    stage: Literal['encoding', 'training']
    step: int
    steps: int
    loss: float = math.nan
    figures: Mapping[str, float] = field(default_factory=dict)


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """The report that nobody reads."""


M = TypeVar('M', bound=nn.Module)


class Job(ABC, Generic[M]):
    """A model and how it learns. `identity`: what a run must agree in to be resumed, by name.

    average: the averaged model, for a loss that needs it; the loop sets and updates it.
    """

    model: M
    average: M
    learned: Sequence[Learned]
    settings: Run
    training: Windows
    identity: Mapping[str, Any]

    def prepare(self, machine: Machine, report: Report) -> bool:
        """Called once the weights are set; returns whether `loss` needs images."""
        return True

    def chance(self, count: int, generator: Generator) -> tuple[Tensor, ...]:
        """What `loss` needs to be random, for `count` windows."""
        return ()

    @abstractmethod
    def loss(self, examples: Examples, draw: Draw) -> Tensor:
        """Mean loss of `model` over the windows of `draw`."""

    @abstractmethod
    def validate(self, average: M) -> dict[str, float]:
        """Figures of the averaged model, by name."""

    @abstractmethod
    def save(self, average: M, folder: Path) -> None:
        """Write the averaged model, whole or not at all."""
