import diffusers
import pytest
import torch

from dp_ros.learning.schedule import NoiseSchedule

NAMES = {'linear': 'linear', 'squared_cosine': 'squaredcos_cap_v2'}


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
def test_forward_process_is_that_of_diffusers(name):
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 100, 16, 2, generator=generator)
    steps = torch.arange(100)
    ours = NoiseSchedule.named(name, 100).add_noise(clean, noise, steps)
    theirs = diffusers.DDPMScheduler(100, beta_schedule=NAMES[name])
    torch.testing.assert_close(ours, theirs.add_noise(clean, noise, steps), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('name', NAMES)
def test_noise_only_grows_from_nearly_none(name):
    schedule = NoiseSchedule.named(name, 1000)
    assert schedule.alpha_bar(-1) == 1
    assert schedule.alpha_bar(0) > 0.999
    assert bool((schedule.alphas_bar.diff() < 0).all())
    assert 0 < schedule.alpha_bar(999) < 1e-4


def test_the_cosine_leaves_next_to_nothing_of_the_sample_at_100_steps():
    assert NoiseSchedule.named('squared_cosine', 100).alpha_bar(99) < 1e-6
