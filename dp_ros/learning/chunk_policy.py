"""What every policy is, however it learns: observation window and noise in, action chunk out."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor, nn

from dp_ros.learning.features import check_position, feature_map
from dp_ros.learning.normalizer import MinMaxNormalizer
from dp_ros.learning.observations import Observations
from dp_ros.learning.recipe import Features, Vision
from dp_ros.learning.transition import Transition
from dp_ros.learning.vision import encoder_of
from dp_ros.task import Task


class ChunkPolicy(nn.Module, ABC):
    """Features and normalisers of one task; a method adds its networks.

    Shapes: T_o observed steps of D numbers, F of them once they are features; T_p predicted
    actions of A numbers. `vision` is None for a policy that sees no images.
    """

    recipe: Any

    def __init__(self, task: Task, features: Features, vision: Vision | None) -> None:
        super().__init__()
        check_position(task, features)
        self.task = task
        self.features = feature_map(features)
        horizons = task.horizons
        example = torch.zeros(1, horizons.observation, task.observation_dim)
        self.feature_dim = self.features.observation(example).shape[-1]
        self.normalize_observation = MinMaxNormalizer(self.feature_dim)
        # One range per step: the near actions, which are executed, keep their full resolution
        # although the far ones of a relative chunk reach much further.
        self.normalize_action = MinMaxNormalizer(horizons.prediction, task.action_dim)
        self.vision = encoder_of(task, vision)
        self.step_dim = self.feature_dim + (self.vision.dim if self.vision else 0)
        self.condition_dim = horizons.observation * self.step_dim

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.normalize_action.low.device

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

    def look(self, observations: Observations) -> Tensor | None:
        """Image features (B, T_o, V) of the cameras; None for a task without any."""
        return None if self.vision is None else self.vision(observations.images)

    def observed(self, vector: Tensor, seen: Tensor | None) -> Tensor:
        """Vectors (B, T_o, D) and image features (B, T_o, V) -> steps (B, T_o, F + V)."""
        steps = self.steps(vector)
        return steps if seen is None else torch.cat([steps, seen.to(steps.dtype)], dim=-1)

    def condition(self, vector: Tensor, seen: Tensor | None) -> Tensor:
        """The same as one condition (B, T_o * (F + V))."""
        return self.observed(vector, seen).flatten(1)

    def encode(self, vector: Tensor, actions: Tensor) -> Tensor:
        """Actions (B, T_p, A) in task units -> what the network sees, in [-1, 1]."""
        return self.normalize_action.normalize(self.features.encode(vector, actions))

    def decode(self, vector: Tensor, clean: Tensor) -> Tensor:
        """Inverse of `encode`."""
        return self.features.decode(vector, self.normalize_action.denormalize(clean))

    @property
    def best_transition(self) -> str:
        """Name of the strategy that joins its chunks best, as far as that was measured."""
        return 'switch'

    @abstractmethod
    def check_transition(self, transition: Transition) -> None:
        """Raise ValueError where chunks of this policy cannot be joined by `transition`."""

    @abstractmethod
    def held_out_loss(
        self,
        observations: Observations,
        actions: Tensor,
        noise: Tensor,
        generator: Generator,
        seen: Tensor | None = None,
        later: Tensor | None = None,
    ) -> Tensor:
        """Mean loss on windows that it has not learned from.

        generator: of what the loss draws besides `noise`; later: (B, T_p - T_o, D), what was
        observed after the windows.
        """

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
