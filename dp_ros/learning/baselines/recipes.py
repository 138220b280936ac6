"""Recipes of the baselines; `kind` says which one. A recipe without `kind` is one of diffusion."""

from typing import Literal

from pydantic import Field

from dp_ros.learning.recipe import Features, Run, Vision

Kind = Literal['regression', 'lstm_gmm', 'ibc', 'bet']


class Baseline(Run):
    """What the recipe of every baseline has; saved with the checkpoint as training.yaml."""

    kind: Kind
    features: Features
    vision: Vision | None = Field(default=None, description='for tasks with cameras')
    half: bool = Field(default=False, description='save the weights in half precision')


class Regression(Baseline):
    """A perceptron (baselines/regression.py)."""

    kind: Literal['regression']
    width: int = Field(default=384, ge=1)
    blocks: int = Field(default=4, ge=0)


class LstmGmm(Baseline):
    """A recurrent network with a mixture of Gaussians (baselines/lstm_gmm.py)."""

    kind: Literal['lstm_gmm']
    width: int = Field(default=256, ge=1)
    layers: int = Field(default=2, ge=1)
    modes: int = Field(default=5, ge=1)
    least_std: float = Field(default=1e-4, gt=0, description='in training')
    used_std: float = Field(default=1e-4, ge=0, description='around the mode that was drawn')


class Ibc(Baseline):
    """An energy that is searched for its lowest place (baselines/ibc.py)."""

    kind: Literal['ibc']
    width: int = Field(default=128, ge=1)
    layers: int = Field(default=3, ge=0)
    counter_examples: int = Field(default=64, ge=1, description='for each demonstrated action')
    margin: float = Field(default=0.05, ge=0, description='searched beyond what was demonstrated')
    samples: int = Field(default=256, ge=1, description='that each action is searched with')
    iterations: int = Field(default=3, ge=1)
    spread: float = Field(default=0.33, gt=0, description='first std of what is resampled')
    shrink: float = Field(default=0.5, gt=0, le=1, description='of the std in each iteration')


class Bet(Baseline):
    """A choice among clusters of chunks, and an offset (baselines/bet.py)."""

    kind: Literal['bet']
    width: int = Field(default=384, ge=1)
    blocks: int = Field(default=4, ge=0)
    bins: int = Field(default=64, ge=1)
    focus: float = Field(default=2.0, ge=0, description='gamma of the focal loss')
    offset_weight: float = Field(default=100.0, ge=0)
