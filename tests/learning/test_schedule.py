import doctest

import diffusers
import pytest
import torch

from dp_ros.learning import schedule as schedules
from dp_ros.learning.schedule import NoiseSchedule

NAMES = {
    'linear': 'linear',
    'scaled_linear': 'scaled_linear',
    'squared_cosine': 'squaredcos_cap_v2',
}


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('steps', [10, 100, 1000])
def test_tables_are_those_of_diffusers(name, steps):
    ours = NoiseSchedule.named(name, steps)
    theirs = diffusers.DDPMScheduler(steps, beta_schedule=NAMES[name])
    assert ours.steps == steps
    torch.testing.assert_close(ours.betas.float(), theirs.betas, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(
        ours.alphas_bar.float(), theirs.alphas_cumprod, atol=1e-6, rtol=1e-4
    )


@pytest.mark.parametrize('name', NAMES)
def test_forward_process_and_velocity_are_those_of_diffusers(name):
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 100, 16, 2, generator=generator)
    steps = torch.arange(100)
    ours = NoiseSchedule.named(name, 100)
    theirs = diffusers.DDPMScheduler(100, beta_schedule=NAMES[name])
    torch.testing.assert_close(
        ours.add_noise(clean, noise, steps),
        theirs.add_noise(clean, noise, steps),
        atol=1e-5,
        rtol=1e-5,
    )
    torch.testing.assert_close(
        ours.target('v', clean, noise, steps),
        theirs.get_velocity(clean, noise, steps),
        atol=1e-5,
        rtol=1e-5,
    )


@pytest.mark.parametrize('name', NAMES)
def test_noise_only_grows_from_nearly_none(name):
    schedule = NoiseSchedule.named(name, 1000)
    assert schedule.alpha_bar(-1) == 1
    assert schedule.alpha_bar(0) > 0.999
    assert bool((schedule.alphas_bar.diff() < 0).all())
    assert 0 < schedule.alpha_bar(999) < 5e-3


def test_the_cosine_leaves_next_to_nothing_of_the_sample_at_100_steps():
    assert NoiseSchedule.named('squared_cosine', 100).alpha_bar(99) < 1e-6


@pytest.mark.parametrize('prediction', ['epsilon', 'sample', 'v'])
def test_the_target_of_every_prediction_stands_for_the_clean_sample(prediction):
    schedule = NoiseSchedule.named('linear', 100)
    clean, noise = torch.randn(2, 100, 3, dtype=torch.float64)
    steps = torch.arange(100)
    noisy = schedule.add_noise(clean, noise, steps)
    target = schedule.target(prediction, clean, noise, steps)
    for t in steps.tolist():
        share_x, share = schedules.clean_terms(prediction, schedule.alpha_bar(t))
        torch.testing.assert_close(share_x * noisy[t] + share * target[t], clean[t])


def test_snr_weights_are_the_same_loss_of_the_clean_sample_for_every_prediction():
    schedule, gamma = NoiseSchedule.named('squared_cosine', 100), 5.0
    abar = schedule.alphas_bar
    snr = abar / (1 - abar)
    capped = snr.clip(max=gamma)
    weights = {p: schedule.min_snr_weights(gamma, p) for p in ('epsilon', 'sample', 'v')}
    torch.testing.assert_close(weights['sample'], capped)
    torch.testing.assert_close(weights['epsilon'], capped / snr)
    torch.testing.assert_close(weights['v'], capped / (snr + 1))
    assert weights['epsilon'].max() <= 1 + 1e-12


def test_the_worked_example_is_what_the_code_prints():
    outcome = doctest.testmod(schedules)
    assert outcome.attempted >= 6
    assert outcome.failed == 0
