"""Regression of the chunk: the straw man. Between two ways to go it goes through the middle."""

import math

from torch import Tensor, nn

from dp_ros.learning.baselines import recipes
from dp_ros.learning.baselines.baseline import Baseline
from dp_ros.learning.baselines.perceptron import perceptron
from dp_ros.task import Task


class Regression(Baseline):
    """The mean chunk, by least squares; the noise changes nothing."""

    recipe: recipes.Regression

    def __init__(self, task: Task, recipe: recipes.Regression) -> None:
        super().__init__(task, recipe)
        out = math.prod(self.noise_shape)
        self.network = perceptron(self.condition_dim, recipe.width, recipe.blocks, out)

    def error(self, steps: Tensor, clean: Tensor, *drawn: Tensor) -> Tensor:
        return nn.functional.mse_loss(self._mean(steps), clean)

    def answer(self, steps: Tensor, noise: Tensor) -> Tensor:
        return self._mean(steps)

    def _mean(self, steps: Tensor) -> Tensor:
        mean: Tensor = self.network(steps.flatten(1)).unflatten(1, self.noise_shape)
        return mean
