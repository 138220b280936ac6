"""A baseline as the robot uses it."""

import torch
from torch import Tensor

from dp_ros.learning.baselines.baseline import Baseline
from dp_ros.learning.chunk_engine import ChunkEngine
from dp_ros.learning.observations import Observations
from dp_ros.learning.onnx_network import Array


class BaselineEngine(ChunkEngine[Baseline]):
    """In plain torch: an answer takes no loop of denoising steps."""

    def _actions(
        self,
        window: Tensor,
        noise: Array,
        seen: Tensor | None,
        plan: Tensor | None,
        delay_steps: int,
    ) -> Tensor:
        given = torch.from_numpy(noise).to(self._device)
        return self._policy.predict(Observations(window), given, seen=seen)
