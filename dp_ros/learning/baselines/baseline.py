"""What the baselines have in common: a loss and an answer in the network's terms."""

from abc import abstractmethod

import torch
from torch import Generator, Tensor

from dp_ros.learning.baselines import recipes
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.observations import Observations
from dp_ros.learning.transition import Switch, Transition
from dp_ros.task import Task


class Baseline(ChunkPolicy):
    """A policy that answers at once, without denoising.

    In the network's terms a window is its steps (B, T_o, C), normalised features and image
    features, and a chunk is clean (B, T_p, A), in [-1, 1] where the demonstrations were.
    """

    recipe: recipes.Baseline

    def __init__(self, task: Task, recipe: recipes.Baseline) -> None:
        super().__init__(task, recipe.features, recipe.vision)
        self.recipe = recipe

    def chance(self, count: int, generator: Generator) -> tuple[Tensor, ...]:
        """What `error` needs to be random, for `count` windows."""
        return ()

    @abstractmethod
    def error(self, steps: Tensor, clean: Tensor, *drawn: Tensor) -> Tensor:
        """Mean loss of windows and their chunks; drawn: of `chance`."""

    @abstractmethod
    def answer(self, steps: Tensor, noise: Tensor) -> Tensor:
        """Windows and noise (B, T_p, A) from N(0, I) -> clean chunks (B, T_p, A)."""

    def loss(
        self,
        observations: Observations,
        actions: Tensor,
        drawn: tuple[Tensor, ...],
        seen: Tensor | None = None,
    ) -> Tensor:
        """Mean loss on actions (B, T_p, A) in task units; seen: see `predict`."""
        seen = self.look(observations) if seen is None else seen
        clean = self.encode(observations.vector, actions)
        return self.error(self.observed(observations.vector, seen), clean, *drawn)

    def check_transition(self, transition: Transition) -> None:
        if transition != Switch():
            raise ValueError(
                f'a baseline (kind: {self.recipe.kind}) knows nothing of the chunk before: its '
                f'chunks are joined by the transition switch, and not by {transition}'
            )

    def held_out_loss(
        self,
        observations: Observations,
        actions: Tensor,
        noise: Tensor,
        generator: Generator,
        seen: Tensor | None = None,
        later: Tensor | None = None,
    ) -> Tensor:
        drawn = self.chance(len(actions), generator)
        return self.loss(observations, actions, tuple(d.to(actions.device) for d in drawn), seen)

    @torch.no_grad()
    def predict(
        self,
        observations: Observations,
        noise: Tensor,
        generator: Generator | None = None,
        *,
        seen: Tensor | None = None,
    ) -> Tensor:
        seen = self.look(observations) if seen is None else seen
        clean = self.answer(self.observed(observations.vector, seen), noise)
        return self.decode(observations.vector, clean)
