"""What training any policy has in common: image features, validation, the checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from dp_ros.data.windows import Windows
from dp_ros.learning import checkpoint
from dp_ros.learning.batches import Examples
from dp_ros.learning.chance import Draw
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.descent import Learned, trainable
from dp_ros.learning.frozen_features import FrozenFeatures, encode_all, is_frozen
from dp_ros.learning.job import Job, Machine, Progress, Report
from dp_ros.learning.looks import augmented
from dp_ros.learning.validation import evaluate

P = TypeVar('P', bound=ChunkPolicy)


class ChunkJob(Job[P]):
    """A policy and the windows that it learns from; own: what is learned besides the encoders."""

    def __init__(
        self, policy: P, own: Sequence[Learned], training: Windows, validation: Windows
    ) -> None:
        self.model, self.settings = policy, policy.recipe
        self.training, self._validation = training, validation
        self._features: FrozenFeatures | None = None
        self._held_out: FrozenFeatures | None = None
        self.learned = list(own)
        if policy.vision is not None:
            scale = policy.vision.recipe.learning_rate_scale
            self.learned.append(Learned(trainable(policy.vision.parameters()), scale))
        self.identity = {
            'task': policy.task.model_dump(mode='json'),
            'recipe': policy.recipe.model_dump(mode='json'),
        }

    def prepare(self, machine: Machine, report: Report) -> bool:
        """Encode all frames, if the encoders do not learn."""
        vision = self.model.vision
        if vision is None or not is_frozen(vision):
            return True

        def told(done: int, count: int) -> None:
            report(Progress('encoding', done, count))

        device, workers, views = machine.device, machine.workers, vision.recipe.views
        self._held_out = encode_all(vision, self._validation, device, workers)
        self._features = encode_all(vision, self.training, device, workers, views, told)
        return False

    def _look(self, examples: Examples, draw: Draw) -> Tensor | None:
        """Image features (B, T_o, V), augmented; None for a task without cameras."""
        if self._features is not None:
            return self._features(draw.rows, draw.looks)
        if self.model.vision is None:
            return None
        return augmented(self.model.vision, examples.observations.images, draw.looks)

    def validate(self, average: P) -> dict[str, float]:
        return evaluate(average, self._validation, self._held_out)

    def save(self, average: P, folder: Path) -> None:
        checkpoint.save(average, folder / 'checkpoint')
