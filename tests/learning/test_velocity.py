"""Velocity control: differences between successive targets, from where the arm is."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import TypeAdapter

from dp_ros import yamlfile
from dp_ros.learning.features import feature_map
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Features, Recipe
from dp_ros.paths import share

FEATURES = {
    'plain': {'kind': 'plain'},
    'relative': {'kind': 'relative'},
    'block_frame': {'kind': 'block_frame', 'goal': (0.46, 0.1, np.pi / 4), 'fine': 0.06},
}
numbers = st.floats(-1000, 1000)
scenes = st.tuples(
    hnp.arrays(np.float64, (3, 2, 5), elements=numbers),
    hnp.arrays(np.float64, (3, 8, 2), elements=numbers),
)


def described(control='velocity', **settings):
    return TypeAdapter(Features).validate_python(settings | {'control': control})


@pytest.mark.parametrize('settings', FEATURES.values(), ids=FEATURES)
@given(scene=scenes)
def test_actions_become_differences_and_come_back_and_the_other_way_round(settings, scene):
    observations, actions = map(torch.from_numpy, scene)
    features = feature_map(described(**settings))
    there = features.encode(observations, actions)
    torch.testing.assert_close(features.decode(observations, there), actions, atol=1e-9, rtol=0)
    again = features.encode(observations, features.decode(observations, actions))
    torch.testing.assert_close(again, actions, atol=1e-9, rtol=0)
    # A length is the same in every frame.
    here = torch.cat([observations[:, -1:, :2], actions], dim=1)
    torch.testing.assert_close(there.norm(dim=2), here.diff(dim=1).norm(dim=2), atol=1e-9, rtol=0)


@pytest.mark.parametrize('settings', FEATURES.values(), ids=FEATURES)
def test_no_velocity_is_to_stay_and_observations_are_seen_as_before(settings):
    observations = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 2, 5)))
    features = feature_map(described(**settings))
    stays = features.decode(observations, torch.zeros(3, 8, 2))
    torch.testing.assert_close(stays, observations[:, -1:, :2].expand(3, 8, 2).to(stays))
    plain = feature_map(described('position', **settings))
    assert torch.equal(features.observation(observations), plain.observation(observations))


def test_position_is_left_out_of_a_recipe_and_velocity_is_kept(make_recipe):
    kept = yamlfile.load(Recipe, share('models', 'pusht_gym', 'training.yaml'))
    assert 'control' not in yamlfile.dump(kept)
    recipe = make_recipe(features={'kind': 'relative', 'control': 'velocity'})
    assert 'control: velocity' in yamlfile.dump(recipe)


@pytest.fixture
def policy(task, make_recipe, windows):
    torch.manual_seed(0)
    policy = DiffusionPolicy(task, make_recipe(features={'kind': 'plain', 'control': 'velocity'}))
    policy.fit(torch.from_numpy(windows.observations), torch.from_numpy(windows.actions))
    return policy.eval()


def test_a_diffusion_policy_denoises_differences(policy, windows):
    vector, actions = map(torch.from_numpy, (windows.observations, windows.actions))
    clean = policy.encode(vector, actions)
    assert clean.abs().max() <= 1 + 1e-5
    torch.testing.assert_close(policy.decode(vector, clean), actions, atol=1e-4, rtol=0)


def test_a_plan_before_is_known_up_to_its_first_gap(policy, windows):
    vector = torch.from_numpy(windows.observations)
    actions = torch.randn(8, 8, 2, generator=torch.Generator().manual_seed(0))
    policy.fit(vector, actions)
    before = torch.full_like(actions, torch.nan)
    before[:, :-4] = actions[:, 4:]
    committed = policy.committed(vector, before, 2)
    assert committed.weights[:3].tolist() == [1, 1, 1]
    back = policy.decode(vector, committed.target)
    torch.testing.assert_close(back[:, 1:4], before[:, 1:4], atol=1e-4, rtol=0)
    before[:, 0] = torch.nan  # without it no difference says where the others are
    assert policy.committed(vector, before, 0) is None


def test_observations_that_do_not_begin_with_the_position_are_a_sentence(task, make_recipe):
    turned = task.model_dump(mode='json')
    turned['observations'][0]['components'] = ['y', 'x']
    recipe = make_recipe(features={'kind': 'relative', 'control': 'velocity'})
    with pytest.raises(ValueError, match=r"task 'toy' must begin with .* x, y; they begin with y"):
        DiffusionPolicy(yamlfile.parse(type(task), turned, 'turned'), recipe)
