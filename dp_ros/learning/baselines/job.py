"""How a baseline learns: any of them, by its own loss."""

from torch import Generator, Tensor

from dp_ros.data.windows import Windows
from dp_ros.learning.baselines.baseline import Baseline
from dp_ros.learning.batches import Examples
from dp_ros.learning.chance import Draw
from dp_ros.learning.chunk_job import ChunkJob
from dp_ros.learning.descent import Learned, trainable


class BaselineJob(ChunkJob[Baseline]):
    """Everything in the policy learns."""

    def __init__(self, policy: Baseline, training: Windows, validation: Windows) -> None:
        own = [p for name, p in policy.named_parameters() if not name.startswith('vision.')]
        super().__init__(policy, [Learned(trainable(own))], training, validation)

    def chance(self, count: int, generator: Generator) -> tuple[Tensor, ...]:
        return self.model.chance(count, generator)

    def loss(self, examples: Examples, draw: Draw) -> Tensor:
        drawn = tuple(extra.to(examples.actions.device) for extra in draw.extra)
        seen = self._look(examples, draw)
        return self.model.loss(examples.observations, examples.actions, drawn, seen)
