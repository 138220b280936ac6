"""How fast the samplers converge, on mixtures of Gaussians: their score is known exactly."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from dp_ros.learning import sampler
from dp_ros.learning.dpm_solver import DPMSolver
from dp_ros.learning.sampler import DDIM, DDPM
from dp_ros.learning.schedule import NoiseSchedule, clean_terms

SCHEDULE = NoiseSchedule.named('linear', 1000)
# Divisors of 1000: all steps of a sampler are equally long.
COUNTS = (25, 50, 100, 200)
WEIGHTS = np.array([0.3, 0.5, 0.2])
MEANS = {1: [[-1.0], [0.4], [1.2]], 2: [[-1.0, 0.5], [0.4, -0.6], [1.2, 0.9]]}
SPREAD = 0.3


class Mixture:
    """Three Gaussians in `dimensions`, and the noise that a perfect denoiser finds in x."""

    def __init__(self, dimensions):
        self.means = np.array(MEANS[dimensions])

    def epsilon(self, x, abar):
        """-sqrt(1 - abar) times the score of the noised mixture at x (B, D)."""
        variance = abar * SPREAD**2 + 1 - abar
        gaps = x[:, None] - abar**0.5 * self.means  # (B, 3, D)
        odds = WEIGHTS * np.exp(-0.5 * (gaps**2).sum(-1) / variance)
        odds /= odds.sum(-1, keepdims=True)
        return (1 - abar) ** 0.5 * (odds[..., None] * gaps).sum(1) / variance

    def denoiser(self, prediction):
        def denoise(x, step):
            abar = SCHEDULE.alpha_bar(step)
            epsilon = self.epsilon(x, abar)
            clean = (x - (1 - abar) ** 0.5 * epsilon) / abar**0.5
            share_x, share = clean_terms(prediction, abar)
            return (clean - share_x * x) / share

        return denoise

    def solved(self, noise):
        """Where the probability flow takes the noise: with s = sqrt(1 - abar) / sqrt(abar) and
        y = x / sqrt(abar) it is dy/ds = epsilon (Song et al. 2021, eq. 14).
        """
        abar = SCHEDULE.alpha_bar(SCHEDULE.steps - 1)

        def slope(s, y):
            level = 1 / (1 + s**2)
            points = y.reshape(noise.shape)
            return self.epsilon(level**0.5 * points, level).ravel()

        start = ((1 - abar) / abar) ** 0.5
        flow = solve_ivp(slope, (start, 0.0), (noise / abar**0.5).ravel(), rtol=1e-9, atol=1e-10)
        return flow.y[:, -1].reshape(noise.shape)


@pytest.mark.parametrize('dimensions', [1, 2])
@pytest.mark.parametrize('prediction', ['epsilon', 'sample', 'v'])
@pytest.mark.parametrize(('rule', 'order'), [(DDIM(), 1), (DPMSolver(), 2)], ids=repr)
def test_the_error_falls_with_the_order_of_the_sampler(dimensions, prediction, rule, order):
    mixture = Mixture(dimensions)
    noise = np.random.default_rng(0).normal(size=(200, dimensions))
    exact = mixture.solved(noise)
    errors = []
    for count in COUNTS:
        steps = sampler.inference_steps(1000, count, 'trailing')
        found = sampler.sample(
            rule, mixture.denoiser(prediction), noise, SCHEDULE, steps, prediction, clip=None
        )
        errors.append(np.sqrt(((found - exact) ** 2).mean()))
    slope, _ = np.polyfit(np.log(COUNTS), np.log(errors), 1)
    assert -slope == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize('rule', [DDPM(), DDPM('fixed_large'), DDIM(0.5)], ids=repr)
def test_random_samplers_draw_from_the_mixture(rule):
    mixture = Mixture(1)
    rng = np.random.default_rng(1)
    noise, steps = rng.normal(size=(4000, 1)), sampler.inference_steps(1000, 200, 'trailing')
    found = sampler.sample(
        rule,
        mixture.denoiser('epsilon'),
        noise,
        SCHEDULE,
        steps,
        'epsilon',
        clip=None,
        generator=torch.Generator().manual_seed(0),
    )
    chosen = rng.choice(3, size=4000, p=WEIGHTS)
    drawn = mixture.means[chosen, 0] + SPREAD * rng.normal(size=4000)
    # The distance between two distributions: the mean gap of their quantiles.
    assert np.abs(np.sort(found[:, 0]) - np.sort(drawn)).mean() < 0.06
