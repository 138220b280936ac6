"""Classifier-free guidance, and learning without a condition."""

import pytest
import torch

from dp_ros import yamlfile
from dp_ros.learning.guidance import ClassifierFree, dropped
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.learning.schedule import clean_terms


def exact(prediction, abar):
    """The denoiser of N(c, 1) under c, and of N(0, 1) under the null condition."""

    def denoise(x, steps, condition):
        clean = abar**0.5 * x + (1 - abar) * condition
        share_x, share = clean_terms(prediction, abar)
        return (clean - share_x * x) / share

    return denoise


@pytest.mark.parametrize('weight', [0.0, 1.0, 3.0])
@pytest.mark.parametrize('prediction', ['epsilon', 'sample', 'v'])
def test_guidance_moves_the_clean_sample_alike_for_every_prediction(prediction, weight):
    abar = 0.4
    x, condition = torch.randn(5, 3), torch.randn(5, 3)
    output = ClassifierFree(exact(prediction, abar), weight)(x, None, condition)
    share_x, share = clean_terms(prediction, abar)
    expected = abar**0.5 * x + (1 - abar) * weight * condition
    torch.testing.assert_close(share_x * x + share * output, expected)


def test_a_dropped_window_is_learned_as_without_its_observations(task, make_recipe, windows):
    torch.manual_seed(0)
    policy = DiffusionPolicy(task, make_recipe())
    vector, actions = (torch.from_numpy(a) for a in (windows.observations, windows.actions))
    policy.fit(vector, actions)
    noise, steps = torch.randn(8, 8, 2), torch.arange(8)
    given = (Observations(vector), actions, noise, steps)
    all_dropped = policy.loss(*given, drop=torch.ones(8, dtype=torch.bool))
    kept = policy.loss(*given, drop=torch.zeros(8, dtype=torch.bool))
    assert torch.equal(kept, policy.loss(*given))
    assert not torch.equal(all_dropped, kept)
    assert dropped(torch.ones(2, 3), torch.tensor([True, False])).tolist() == [[0] * 3, [1] * 3]


def test_options_that_are_not_set_leave_a_recipe_as_it_was(make_recipe):
    text = yamlfile.dump(make_recipe())
    for option in ('eta', 'variance', 'snr_gamma', 'drop_condition', 'guidance'):
        assert f' {option}:' not in text
    full = {
        'drop_condition': 0.1,
        'guidance': 2.0,
        'snr_gamma': 5.0,
        'sampler': 'ddpm',
        'variance': 'fixed_large',
        'prediction': 'v',
    }
    recipe = make_recipe(diffusion=full)
    assert Recipe.model_validate(recipe.model_dump(mode='json')) == recipe


@pytest.mark.parametrize(
    ('diffusion', 'sentence'),
    [
        ({'sampler': 'dpm_solver', 'eta': 0.5}, 'eta is an option of the sampler ddim'),
        ({'variance': 'fixed_large'}, 'variance is an option of the sampler ddpm'),
        ({'guidance': 2.0}, 'trained with drop_condition'),
    ],
)
def test_options_without_their_sampler_or_training_are_a_sentence(
    make_recipe, diffusion, sentence
):
    with pytest.raises(yamlfile.ConfigError, match=sentence):
        make_recipe(diffusion=diffusion)
