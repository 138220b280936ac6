"""What every policy is, however it learns: observation window and noise in, action chunk out."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor, nn

from dp_ros.learning.features import feature_map
from dp_ros.learning.normalizer import MinMaxNormalizer
from dp_ros.learning.observations import Observations
from dp_ros.learning.recipe import Features
from dp_ros.learning.vision import VisionEncoder
from dp_ros.task import Task


class ChunkPolicy(nn.Module, ABC):
    """Features and normalisers of one task; a method adds its networks.

    Shapes: T_o observed steps of D numbers, F of them once they are features; T_p predicted
    actions of A numbers. `vision` is None for a policy that sees no images.
    """

    recipe: Any
    vision: VisionEncoder | None

    def __init__(self, task: Task, features: Features) -> None:
        super().__init__()
        self.task = task
        self.features = feature_map(features)
        horizons = task.horizons
        example = torch.zeros(1, horizons.observation, task.observation_dim)
        self.feature_dim = self.features.observation(example).shape[-1]
        self.normalize_observation = MinMaxNormalizer(self.feature_dim)
        # One range per step: the near actions, which are executed, keep their full resolution
        # although the far ones of a relative chunk reach much further.
        self.normalize_action = MinMaxNormalizer(horizons.prediction, task.action_dim)

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Shape (T_p, A) of the noise of one chunk."""
        return self.task.horizons.prediction, self.task.action_dim

    def fit(self, observations: Tensor, actions: Tensor) -> None:
        """Fit what is no weight on windows (N, T_o, D) and their actions (N, T_p, A)."""
        self.normalize_observation.fit(self.features.observation(observations).flatten(0, 1))
        self.normalize_action.fit(self.features.encode(observations, actions))

    def steps(self, vector: Tensor) -> Tensor:
        """Vectors (B, T_o, D) -> normalised features (B, T_o, F)."""
        return self.normalize_observation.normalize(self.features.observation(vector))

    def encode(self, vector: Tensor, actions: Tensor) -> Tensor:
        """Actions (B, T_p, A) in task units -> what the network sees, in [-1, 1]."""
        return self.normalize_action.normalize(self.features.encode(vector, actions))

    def decode(self, vector: Tensor, clean: Tensor) -> Tensor:
        """Inverse of `encode`."""
        return self.features.decode(vector, self.normalize_action.denormalize(clean))

    @abstractmethod
    def predict(
        self,
        observations: Observations,
        noise: Tensor,
        generator: Generator | None = None,
        *,
        seen: Tensor | None = None,
    ) -> Tensor:
        """Windows and noise (B, T_p, A) from N(0, I) -> action chunks (B, T_p, A) in task units.

        The same window and noise give the same chunk. generator: of what a sampler draws besides;
        seen: the image features (B, T_o, V), where they are known already. Action
        `task.horizons.now` is the one decided at the window's last step.
        """
