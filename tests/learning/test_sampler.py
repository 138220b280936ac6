"""The samplers against diffusers, and against the closed form where there is one."""

import diffusers
import numpy as np
import pytest
import torch

from dp_ros.learning import sampler
from dp_ros.learning.dpm_solver import DPMSolver
from dp_ros.learning.sampler import DDIM, DDPM
from dp_ros.learning.schedule import NoiseSchedule, clean_terms

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
THEIR_NAMES = {'epsilon': 'epsilon', 'sample': 'sample', 'v': 'v_prediction'}
all_predictions = pytest.mark.parametrize('prediction', THEIR_NAMES)
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
@all_predictions
@clip_on_and_off
@pytest.mark.parametrize('eta', [0.0, 0.5])
def test_ddim_is_that_of_diffusers(spacing, count, prediction, clip, eta):
    noise = noise_of((4, 16, 2)).double()
    steps = sampler.inference_steps(100, count, spacing)
    ours = sampler.sample(
        DDIM(eta),
        fake_denoiser,
        noise,
        SCHEDULE,
        steps,
        prediction,
        clip,
        generator=torch.Generator().manual_seed(7),
    )
    scheduler = in_double(
        diffusers.DDIMScheduler(
            **SETTINGS,
            timestep_spacing=spacing,
            prediction_type=THEIR_NAMES[prediction],
            clip_sample=clip is not None,
            set_alpha_to_one=True,
        )
    )
    theirs = run_theirs(
        scheduler,
        count,
        noise,
        eta=eta,
        use_clipped_model_output=True,
        generator=torch.Generator().manual_seed(7),
    )
    assert steps == scheduler.timesteps.tolist()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(('spacing', 'count'), [*SPACED, ('trailing', 16)])
@all_predictions
@clip_on_and_off
@pytest.mark.parametrize('variance', ['fixed_small', 'fixed_large'])
def test_ddpm_is_that_of_diffusers(spacing, count, prediction, clip, variance):
    noise = noise_of((4, 16, 2)).double()
    steps = sampler.inference_steps(100, count, spacing)
    ours = sampler.sample(
        DDPM(variance),
        fake_denoiser,
        noise,
        SCHEDULE,
        steps,
        prediction,
        clip,
        generator=torch.Generator().manual_seed(7),
    )
    scheduler = in_double(
        diffusers.DDPMScheduler(
            **SETTINGS,
            timestep_spacing=spacing,
            prediction_type=THEIR_NAMES[prediction],
            clip_sample=clip is not None,
            variance_type=variance,
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


# diffusers makes arrays of tensors in the way of numpy 1.
@pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')
@pytest.mark.parametrize('schedule', ['linear', 'scaled_linear'])
@all_predictions
@pytest.mark.parametrize('count', [1, 2, 8, 20])
def test_dpm_solver_is_that_of_diffusers(schedule, prediction, count):
    noise = noise_of((4, 16, 2))
    steps = sampler.inference_steps(100, count, 'trailing')
    ours = sampler.sample(
        DPMSolver(),
        fake_denoiser,
        noise,
        NoiseSchedule.named(schedule, 100),
        steps,
        prediction,
        None,
    )
    scheduler = diffusers.DPMSolverMultistepScheduler(
        num_train_timesteps=100,
        beta_schedule=schedule,
        algorithm_type='dpmsolver++',
        solver_order=2,
        solver_type='midpoint',
        final_sigmas_type='zero',
        prediction_type=THEIR_NAMES[prediction],
    )
    scheduler.set_timesteps(timesteps=steps)
    x = noise
    for t in scheduler.timesteps:
        x = scheduler.step(fake_denoiser(x, int(t)), t, x).prev_sample
    torch.testing.assert_close(ours, x, atol=5e-5, rtol=5e-4)


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


@pytest.mark.parametrize(
    'rule', [DDIM(), DDIM(0.5), DDPM(), DDPM('fixed_large'), DPMSolver()], ids=repr
)
@all_predictions
def test_an_exact_denoiser_of_a_gaussian_gives_that_gaussian(rule, prediction):
    """For data N(m, s^2) the best denoiser is known: it is linear in x."""
    mean, std = 0.3, 0.2
    schedule = NoiseSchedule.named('squared_cosine', 1000)

    def denoise(x, step):
        abar = schedule.alpha_bar(step)
        clean = mean + abar**0.5 * std**2 / (abar * std**2 + 1 - abar) * (x - abar**0.5 * mean)
        share_x, share = clean_terms(prediction, abar)
        return (clean - share_x * x) / share

    noise, steps = noise_of((20_000, 1)).double(), list(reversed(range(1000)))
    drawn = sampler.sample(
        rule,
        denoise,
        noise,
        schedule,
        steps,
        prediction,
        clip=None,
        generator=torch.Generator().manual_seed(1),
    )
    if rule in (DDIM(), DPMSolver()):
        # They carry quantiles to quantiles: sample by sample an affine map of the noise.
        torch.testing.assert_close(drawn, mean + std * noise, atol=5e-3, rtol=0)
    assert drawn.mean().item() == pytest.approx(mean, abs=0.006)
    assert drawn.std().item() == pytest.approx(std, rel=0.02)


@pytest.mark.parametrize('rule', [DDIM(), DDIM(1.0), DDPM(), DPMSolver()], ids=repr)
def test_arrays_are_treated_as_tensors_and_the_noise_decides_everything(rule):
    noise = noise_of((4, 16, 2))
    steps = sampler.inference_steps(100, 8, 'trailing')
    given = (SCHEDULE, steps, 'sample')
    tensors = sampler.sample(rule, fake_denoiser, noise, *given)

    def denoise(x, step):
        return 1.4 * np.tanh(x * 0.7 + step / 40 - 1)

    arrays = sampler.sample(rule, denoise, noise.numpy(), *given)
    assert arrays.dtype == np.float32
    np.testing.assert_allclose(arrays, tensors, atol=1e-5)
    assert torch.equal(sampler.sample(rule, fake_denoiser, noise.clone(), *given), tensors)
    assert not torch.equal(sampler.sample(rule, fake_denoiser, -noise, *given), tensors)


@pytest.mark.parametrize('rule', [DDIM(1.0), DDPM()], ids=repr)
def test_a_chunk_does_not_depend_on_what_is_sampled_beside_it(rule):
    noise, given = noise_of((4, 16, 2)), (SCHEDULE, [80, 40, 0], 'sample')
    together = sampler.sample(rule, fake_denoiser, noise, *given)
    alone = [sampler.sample(rule, fake_denoiser, row[None], *given) for row in noise]
    torch.testing.assert_close(together, torch.cat(alone))
    assert not torch.equal(together[0], together[1])


def test_ddim_with_eta_1_is_ddpm():
    noise, steps = noise_of((4, 16, 2)).double(), sampler.inference_steps(100, 10, 'trailing')
    one, other = (
        sampler.sample(rule, fake_denoiser, noise, SCHEDULE, steps, 'epsilon')
        for rule in (DDIM(1.0), DDPM())
    )
    torch.testing.assert_close(one, other)


def test_a_watcher_sees_every_step_down_to_the_clean_sample():
    seen = []
    steps = [99, 49, 9]
    result = sampler.sample(
        DDIM(),
        fake_denoiser,
        noise_of((1, 4, 2)),
        SCHEDULE,
        steps,
        'sample',
        watch=lambda *s: seen.append(s),
    )
    assert [step for step, _ in seen] == [49, 9, -1]
    assert torch.equal(seen[-1][1], result)
