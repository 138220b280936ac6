"""LSTM-GMM: a recurrent network says a mixture of Gaussians (BC-RNN, Mandlekar et al. 2021).

As in robomimic the mode is drawn and the action taken close to its mean, whatever its own spread
(low-noise evaluation). There each action has a mixture of its own; here a whole chunk has one, so
that a mode is a way to go and not a single step of it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from dp_ros.learning.baselines import draws, recipes
from dp_ros.learning.baselines.baseline import Baseline
from dp_ros.task import Task


@dataclass(frozen=True)
class Mixture:
    """M Gaussians over chunks: logits (B, M), means and stds (B, M, T_p, A)."""

    logits: Tensor
    means: Tensor
    stds: Tensor

    def log_likelihood(self, chunks: Tensor) -> Tensor:
        """Of chunks (B, T_p, A), each under its own mixture: (B,)."""
        modes = Independent(Normal(self.means, self.stds, validate_args=False), 2)
        mixture = MixtureSameFamily(Categorical(logits=self.logits), modes, validate_args=False)
        likelihood: Tensor = mixture.log_prob(chunks)
        return likelihood

    def draw(self, noise: Tensor, std: float) -> Tensor:
        """Near the mean of the mode that `noise` (B, T_p, A) draws: (B, T_p, A)."""
        mode = draws.choose(self.logits.softmax(dim=-1), draws.uniform(noise))
        return self.means[torch.arange(len(mode)), mode] + std * noise


class LstmGmm(Baseline):
    """LSTM over the observed steps, and a mixture from what it knows after the last one."""

    recipe: recipes.LstmGmm

    def __init__(self, task: Task, recipe: recipes.LstmGmm) -> None:
        super().__init__(task, recipe)
        self.lstm = nn.LSTM(self.step_dim, recipe.width, recipe.layers, batch_first=True)
        numbers = math.prod(self.noise_shape)
        self.head = nn.Linear(recipe.width, recipe.modes * (1 + 2 * numbers))

    def mixture(self, steps: Tensor) -> Mixture:
        """Steps (B, T_o, C) -> the mixture of their chunks."""
        hidden, _ = self.lstm(steps)
        modes = self.recipe.modes
        said: Tensor = self.head(hidden[:, -1]).float()
        logits, numbers = said[:, :modes], said[:, modes:]
        means, spreads = numbers.unflatten(1, (2, modes, *self.noise_shape)).unbind(1)
        return Mixture(logits, means, nn.functional.softplus(spreads) + self.recipe.least_std)

    def error(self, steps: Tensor, clean: Tensor, *drawn: Tensor) -> Tensor:
        """Negative log-likelihood, for each number of the chunk."""
        return -self.mixture(steps).log_likelihood(clean).mean() / math.prod(self.noise_shape)

    def answer(self, steps: Tensor, noise: Tensor) -> Tensor:
        return self.mixture(steps).draw(noise, self.recipe.used_std)
