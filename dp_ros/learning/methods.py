"""Which recipe makes which policy: diffusion, or a baseline by its kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from dp_ros import yamlfile
from dp_ros.learning.baselines import recipes
from dp_ros.learning.baselines.bet import Bet
from dp_ros.learning.baselines.ibc import Ibc
from dp_ros.learning.baselines.lstm_gmm import LstmGmm
from dp_ros.learning.baselines.regression import Regression
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.task import Task

AnyRecipe = Recipe | recipes.Baseline

_Method = tuple[type[recipes.Baseline], Callable[[Task, Any], ChunkPolicy]]

BASELINES: dict[recipes.Kind, _Method] = {
    'regression': (recipes.Regression, Regression),
    'lstm_gmm': (recipes.LstmGmm, LstmGmm),
    'ibc': (recipes.Ibc, Ibc),
    'bet': (recipes.Bet, Bet),
}


class _Named(yamlfile.Settings):
    """What tells recipes apart."""

    model_config = ConfigDict(extra='ignore')
    kind: recipes.Kind | None = None


def load_recipe(path: Path | str) -> AnyRecipe:
    """Read a recipe of any method; raises yamlfile.ConfigError."""
    kind = yamlfile.load(_Named, path).kind
    if kind is None:
        return yamlfile.load(Recipe, path)
    return yamlfile.load(BASELINES[kind][0], path)


def name(policy: ChunkPolicy) -> str:
    """diffusion, or the kind of baseline."""
    return policy.recipe.kind if isinstance(policy.recipe, recipes.Baseline) else 'diffusion'


def make_policy(task: Task, recipe: AnyRecipe) -> ChunkPolicy:
    """An untrained policy; ValueError where task and recipe do not go together."""
    if isinstance(recipe, recipes.Baseline):
        return BASELINES[recipe.kind][1](task, recipe)
    return DiffusionPolicy(task, recipe)


def require_diffusion(policy: ChunkPolicy, what: str) -> DiffusionPolicy:
    """The policy itself; ValueError where it is a baseline, which `what` cannot use."""
    if isinstance(policy, DiffusionPolicy):
        return policy
    raise ValueError(
        f'{what} is for diffusion policies, and this is a baseline (kind: {name(policy)}), which '
        f'does not denoise'
    )
