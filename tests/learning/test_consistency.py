"""Consistency functions where the flow, and so the perfect student, is known exactly."""

import numpy as np
import pytest
import torch

from dp_ros.learning import sampler
from dp_ros.learning.consistency import Consistency, Flow, boundary
from dp_ros.learning.sampler import DDIM, Step
from dp_ros.learning.schedule import NoiseSchedule, clean_terms

SCHEDULE = NoiseSchedule.named('linear', 1000)
MEAN, SPREAD = 0.3, 0.2
predictions = pytest.mark.parametrize('prediction', ['epsilon', 'sample', 'v'])


def flow_end(x, abar):
    """Where the probability flow of N(MEAN, SPREAD^2) takes x: the map between two Gaussians."""
    return MEAN + SPREAD * (x - abar**0.5 * MEAN) / (abar * SPREAD**2 + 1 - abar) ** 0.5


def posterior_mean(x, abar):
    """What the perfect denoiser of N(MEAN, SPREAD^2) takes x for."""
    gain = abar**0.5 * SPREAD**2 / (abar * SPREAD**2 + 1 - abar)
    return MEAN + gain * (x - abar**0.5 * MEAN)


def answering(clean_of, prediction):
    """A denoiser that takes x for clean_of(x, abar)."""

    def denoise(x, step):
        abar = SCHEDULE.alpha_bar(step)
        share_x, share = clean_terms(prediction, abar)
        return (clean_of(x, abar) - share_x * x) / share

    return denoise


def perfect_student(x, abar):
    """What a denoiser must take x for, so that the consistency function is the flow's end."""
    share_x, share_clean = boundary(abar)
    return (flow_end(x, abar) - share_x * x) / share_clean


@predictions
def test_at_the_end_of_the_flow_the_consistency_function_is_x_whatever_the_network_says(
    prediction,
):
    flow = Flow(SCHEDULE, prediction)
    x, output, steps = torch.randn(3, 16, 2), 1e3 * torch.randn(3, 16, 2), torch.full((3,), -1)
    assert torch.equal(flow.end(flow.clean(output, x, steps), x, steps), x)
    assert boundary(1.0) == (1.0, 0.0)


def test_far_from_the_end_it_is_what_the_network_says():
    share_x, share_clean = boundary(SCHEDULE.alphas_bar)
    skip = share_x * SCHEDULE.alphas_bar.sqrt()
    torch.testing.assert_close(skip + share_clean, torch.ones(1000, dtype=torch.float64))
    assert torch.all(share_clean.diff() > 0)
    assert share_clean[100] > 0.98


@predictions
def test_a_batch_goes_along_the_flow_as_the_samplers_do(prediction):
    flow = Flow(SCHEDULE, prediction)
    x, output = torch.randn(2, 4, 16, 2, dtype=torch.float64)
    steps, following = torch.tensor([999, 400, 7, 2]), torch.tensor([800, 399, 2, -1])
    clean = flow.clean(output, x, steps)
    moved, ends = flow.towards(clean, x, steps, following), flow.end(clean, x, steps)
    for i, (step, next_step) in enumerate(zip(steps.tolist(), following.tolist())):
        abar, abar_next = SCHEDULE.alpha_bar(step), SCHEDULE.alpha_bar(next_step)
        share_x, share = clean_terms(prediction, abar)
        guess = share_x * x[i] + share * output[i]
        epsilon = (x[i] - abar**0.5 * guess) / (1 - abar) ** 0.5
        now = Step(x[i], guess, epsilon, abar, abar_next, lambda: None)
        torch.testing.assert_close(moved[i], DDIM()(now, None))
        jump = Step(x[i], guess, epsilon, abar, 1.0, lambda: None)
        torch.testing.assert_close(ends[i], Consistency()(jump, None))


@predictions
def test_one_step_of_a_perfect_student_is_the_end_of_its_teacher(prediction):
    noise = np.random.default_rng(0).normal(size=(50, 4))
    student, teacher = (
        sampler.sample(
            rule,
            answering(clean_of, prediction),
            noise,
            SCHEDULE,
            sampler.inference_steps(1000, count, 'trailing'),
            prediction,
            clip=None,
        )
        for rule, clean_of, count in (
            (Consistency(), perfect_student, 1),
            (DDIM(), posterior_mean, 1000),
        )
    )
    np.testing.assert_allclose(student, flow_end(noise, SCHEDULE.alpha_bar(999)), atol=1e-12)
    np.testing.assert_allclose(student, teacher, atol=5e-3)


@pytest.mark.parametrize('count', [1, 2, 4])
def test_few_steps_of_a_perfect_student_draw_from_the_data(count):
    noise = np.random.default_rng(1).normal(size=(20_000, 1))
    found = sampler.sample(
        Consistency(),
        answering(perfect_student, 'epsilon'),
        noise,
        SCHEDULE,
        sampler.inference_steps(1000, count, 'trailing'),
        'epsilon',
        clip=None,
        generator=torch.Generator().manual_seed(0),
    )
    assert found.mean() == pytest.approx(MEAN, abs=4 * SPREAD / 20_000**0.5)
    assert found.std() == pytest.approx(SPREAD, rel=0.02)
    by_noise = np.corrcoef(found[:, 0], noise[:, 0])[0, 1]
    assert (by_noise > 0.999) == (count == 1), 'only a single step is a function of the noise'
