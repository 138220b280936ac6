"""The samplers against diffusers, and against the closed form where there is one."""

import diffusers
import pytest
import torch

from dp_ros.learning import sampler
from dp_ros.learning.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.named('squared_cosine', 100)
SETTINGS = {'num_train_timesteps': 100, 'beta_schedule': 'squaredcos_cap_v2'}
# DDIMScheduler takes t - T // n for the next step. Under leading spacing that is the next step
# that it visits; under trailing spacing only where n divides T. Ours always is the next one.
SPACED = [
    ('leading', 10),
    ('leading', 16),
    ('leading', 20),
    ('leading', 50),
    ('trailing', 10),
    ('trailing', 20),
    ('trailing', 50),
    ('trailing', 100),
]
both_predictions = pytest.mark.parametrize('prediction', ['epsilon', 'sample'])
clip_on_and_off = pytest.mark.parametrize('clip', [1.0, None])
spaced = pytest.mark.parametrize(('spacing', 'count'), SPACED)


def fake_denoiser(x, step):
    """No network: smooth in x, different at each step, and large enough to be clipped."""
    return 1.4 * torch.tanh(x * 0.7 + step / 40 - 1)


def noise_of(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def in_double(scheduler):
    """diffusers builds its tables in float32, whose cumulative product is off by 1e-4 here; in
    float64 what is left to compare is the sampler.
    """
    betas = scheduler.betas.double()
    steps = torch.arange(101, dtype=torch.float64) / 100
    curve = torch.cos((steps + 0.008) / 1.008 * torch.pi / 2) ** 2
    exact = (1 - curve[1:] / curve[:-1]).clip(max=0.999)
    torch.testing.assert_close(betas, exact, atol=1e-6, rtol=0)
    scheduler.betas, scheduler.alphas = exact, 1 - exact
    scheduler.alphas_cumprod = torch.cumprod(1 - exact, dim=0)
    scheduler.one = scheduler.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    return scheduler


def run_theirs(scheduler, count, noise, **step):
    scheduler.set_timesteps(count)
    x = noise
    for t in scheduler.timesteps:
        x = scheduler.step(fake_denoiser(x, int(t)), t, x, **step).prev_sample
    return x


@spaced
@both_predictions
@clip_on_and_off
def test_ddim_is_that_of_diffusers(spacing, count, prediction, clip):
    noise = noise_of((4, 16, 2)).double()
    steps = sampler.inference_steps(100, count, spacing)
    ours = sampler.ddim(fake_denoiser, noise, SCHEDULE, steps, prediction, clip)
    scheduler = in_double(
        diffusers.DDIMScheduler(
            **SETTINGS,
            timestep_spacing=spacing,
            prediction_type=prediction,
            clip_sample=clip is not None,
            set_alpha_to_one=True,
        )
    )
    theirs = run_theirs(scheduler, count, noise, eta=0.0, use_clipped_model_output=True)
    assert steps == scheduler.timesteps.tolist()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(('spacing', 'count'), [*SPACED, ('trailing', 16)])
@both_predictions
@clip_on_and_off
def test_ddpm_is_that_of_diffusers(spacing, count, prediction, clip):
    noise = noise_of((4, 16, 2)).double()
    steps = sampler.inference_steps(100, count, spacing)
    ours = sampler.ddpm(
        fake_denoiser, noise, SCHEDULE, steps, prediction, torch.Generator().manual_seed(7), clip
    )
    scheduler = in_double(
        diffusers.DDPMScheduler(
            **SETTINGS,
            timestep_spacing=spacing,
            prediction_type=prediction,
            clip_sample=clip is not None,
            variance_type='fixed_small',
        )
    )
    generator = torch.Generator().manual_seed(7)
    # Under trailing spacing the last visited step is not 0, and diffusers then adds noise to the
    # result; Algorithm 2 of Ho et al. does not, so the last step is compared by its mean.
    scheduler.set_timesteps(count)
    x = noise
    for t in scheduler.timesteps:
        step = scheduler.step(fake_denoiser(x, int(t)), t, x, generator=generator)
        x = step.prev_sample if t != scheduler.timesteps[-1] else step.pred_original_sample
    torch.testing.assert_close(ours, x, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('spacing', ['leading', 'trailing'])
@pytest.mark.parametrize('count', [1, 3, 8, 16, 99, 100])
def test_steps_fall_and_keep_the_end_that_their_name_promises(spacing, count):
    steps = sampler.inference_steps(100, count, spacing)
    assert len(steps) == count
    assert steps == sorted(set(steps), reverse=True)
    assert steps[-1] == 0 if spacing == 'leading' else steps[0] == 99


@pytest.mark.parametrize('count', [0, 101])
def test_more_steps_than_there_are_is_a_sentence(count):
    with pytest.raises(ValueError, match=f'{count} denoising steps asked of a schedule of 100'):
        sampler.inference_steps(100, count, 'trailing')


@pytest.mark.parametrize('name', ['ddim', 'ddpm'])
@both_predictions
def test_an_exact_denoiser_of_a_gaussian_gives_that_gaussian(name, prediction):
    """For data N(m, s^2) the best denoiser is known: it is linear in x."""
    mean, std = 0.3, 0.2
    schedule = NoiseSchedule.named('squared_cosine', 1000)

    def denoise(x, step):
        abar = schedule.alpha_bar(step)
        clean = mean + abar**0.5 * std**2 / (abar * std**2 + 1 - abar) * (x - abar**0.5 * mean)
        return clean if prediction == 'sample' else (x - abar**0.5 * clean) / (1 - abar) ** 0.5

    noise, steps = noise_of((20_000, 1)).double(), list(reversed(range(1000)))
    if name == 'ddim':
        drawn = sampler.ddim(denoise, noise, schedule, steps, prediction, clip=None)
        # DDIM carries quantiles to quantiles: sample by sample an affine map of the noise.
        torch.testing.assert_close(drawn, mean + std * noise, atol=5e-3, rtol=0)
    else:
        generator = torch.Generator().manual_seed(1)
        drawn = sampler.ddpm(denoise, noise, schedule, steps, prediction, generator, clip=None)
    assert drawn.mean().item() == pytest.approx(mean, abs=0.006)
    assert drawn.std().item() == pytest.approx(std, rel=0.02)


def test_a_watcher_sees_every_step_down_to_the_clean_sample():
    seen = []
    steps = [99, 49, 9]
    result = sampler.ddim(
        fake_denoiser,
        noise_of((1, 4, 2)),
        SCHEDULE,
        steps,
        'sample',
        watch=lambda *s: seen.append(s),
    )
    assert [step for step, _ in seen] == [49, 9, -1]
    assert torch.equal(seen[-1][1], result)
