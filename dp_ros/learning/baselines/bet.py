"""BET: choose one of k typical chunks, and say how it differs (Behaviour Transformers).

Shafiullah et al. 2022: actions are clustered by k-means; a network classifies which cluster comes
next, learned with a focal loss, and gives each cluster an offset, of which only the right one is
learned. Here whole chunks are clustered, and a perceptron stands for the transformer.
"""

import math
import warnings

import numpy as np
import torch
from torch import Tensor, nn

from dp_ros.learning.baselines import draws, recipes
from dp_ros.learning.baselines.baseline import Baseline
from dp_ros.learning.baselines.perceptron import perceptron
from dp_ros.task import Task


def focal_loss(logits: Tensor, target: Tensor, focus: float) -> Tensor:
    """Mean of -(1 - p)^focus log p of the classes `target` (B,) (Lin et al. 2017)."""
    log_p = logits.log_softmax(dim=-1)[torch.arange(len(target)), target]
    return -((1 - log_p.exp()) ** focus * log_p).mean()


def clusters(chunks: Tensor, count: int, seed: int) -> Tensor:
    """Means (count, T_p, A) of clusters of chunks (N, T_p, A), by k-means++ and Lloyd's steps."""
    from scipy.cluster.vq import kmeans2  # only training needs it, and it is slow to import

    different = np.unique(chunks.flatten(1).double().cpu().numpy(), axis=0)
    if len(different) < count:
        raise ValueError(
            f'{len(different)} different chunks cannot make bins: {count}; give fewer bins, or '
            f'more demonstrations'
        )
    with warnings.catch_warnings():
        # A cluster that loses its last chunk keeps its mean, and is never the right one.
        warnings.simplefilter('ignore', UserWarning)
        means, _ = kmeans2(different, count, iter=30, minit='++', rng=seed)
    return torch.from_numpy(means).to(chunks).unflatten(1, chunks.shape[1:])


class Bet(Baseline):
    """Classes and offsets over clusters of chunks; the noise draws the class."""

    recipe: recipes.Bet
    centres: Tensor

    def __init__(self, task: Task, recipe: recipes.Bet) -> None:
        super().__init__(task, recipe)
        out = recipe.bins * (1 + math.prod(self.noise_shape))
        self.network = perceptron(self.condition_dim, recipe.width, recipe.blocks, out)
        self.register_buffer('centres', torch.zeros(recipe.bins, *self.noise_shape))

    def fit(self, observations: Tensor, actions: Tensor) -> None:
        super().fit(observations, actions)
        clean = self.encode(observations, actions)
        self.centres.copy_(clusters(clean, self.recipe.bins, self.recipe.seed))

    def nearest(self, clean: Tensor) -> Tensor:
        """The bin (B,) of each clean chunk."""
        return torch.cdist(clean.flatten(1), self.centres.flatten(1)).argmin(dim=1)

    def heads(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, k), and the chunk (B, k, T_p, A) of each bin with its offset."""
        bins = self.recipe.bins
        said: Tensor = self.network(steps.flatten(1)).float()
        return said[:, :bins], self.centres + said[:, bins:].unflatten(
            1, (bins, *self.noise_shape)
        )

    def error(self, steps: Tensor, clean: Tensor, *drawn: Tensor) -> Tensor:
        logits, chunks = self.heads(steps)
        right = self.nearest(clean)
        offset = nn.functional.mse_loss(chunks[torch.arange(len(right)), right], clean)
        classified = focal_loss(logits, right, self.recipe.focus)
        return classified + self.recipe.offset_weight * offset

    def answer(self, steps: Tensor, noise: Tensor) -> Tensor:
        logits, chunks = self.heads(steps)
        chosen = draws.choose(logits.softmax(dim=-1), draws.uniform(noise))
        return chunks[torch.arange(len(chosen)), chosen]
