"""Every denoiser as a recipe names it: built, trained, saved; and what cannot be is a sentence."""

import dataclasses

import numpy as np
import pytest
import torch

from dp_ros import yamlfile
from dp_ros.learning import checkpoint
from dp_ros.learning.denoiser import build_denoiser
from dp_ros.learning.inpainting import ALONE
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.learning.train import train
from dp_ros.paths import share
from dp_ros.task import Task, load_task

UNET = {'kind': 'unet', 'widths': [16, 32], 'step_embedding': 16}
TRANSFORMER = {'kind': 'transformer', 'width': 16, 'layers': 2, 'heads': 2, 'dropout': 0.1}
INPAINTING = UNET | {'condition': 'inpainting'}
NETWORKS = {
    'global': UNET,
    'local': UNET | {'condition': 'local'},
    'inpainting': INPAINTING,
    'transformer': TRANSFORMER,
    'transformer-encoder': TRANSFORMER | {'condition_layers': 1, 'embedding_dropout': 0.1},
}


@pytest.fixture
def seen_later(windows):
    """The windows, and what was observed in the six steps after each."""
    steps = np.arange(1, 7, dtype=np.float32)[None, :, None]
    return dataclasses.replace(windows, later=windows.observations[:, -1:] + 0.1 * steps)


@pytest.mark.parametrize('network', NETWORKS.values(), ids=NETWORKS)
def test_it_learns_and_its_checkpoint_is_the_same_policy(
    task, make_recipe, seen_later, tmp_path, network
):
    optimiser = {'steps': 60, 'batch': 32, 'learning_rate': 3e-3}
    recipe = make_recipe(optimiser, network=network, validate_every=20)
    told = []
    policy = train(task, recipe, seen_later, seen_later, tmp_path, report=told.append)
    losses = [progress.loss for progress in told]
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:10])
    figures = [progress.figures['validation_loss'] for progress in told if progress.figures]
    assert figures[-1] < figures[0]
    loaded = checkpoint.load(tmp_path / 'checkpoint').policy
    assert loaded.recipe == recipe
    given = Observations(torch.from_numpy(seen_later.observations))
    noise = torch.randn(8, *policy.noise_shape)
    chunks = loaded.predict(given, noise)
    assert chunks.shape == (8, 8, 2)
    assert torch.equal(chunks, policy.eval().predict(given, noise))


class Interrupted(Exception):
    pass


def test_a_resumed_run_drops_the_same_units(task, make_recipe, windows, tmp_path):
    recipe = make_recipe({'steps': 8}, network=TRANSFORMER, save_every=3)

    def stop(progress):
        if progress.step == 5:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(task, recipe, windows, windows, tmp_path / 'resumed', report=stop)
    torch.manual_seed(1)
    resumed = train(task, recipe, windows, windows, tmp_path / 'resumed').state_dict()
    whole = train(task, recipe, windows, windows, tmp_path / 'whole').state_dict()
    assert [name for name, value in whole.items() if not torch.equal(value, resumed[name])] == []


def test_only_matrices_of_a_transformer_decay(task, make_recipe, windows, tmp_path):
    """One step of AdamW moves a weight by the rate, and shrinks it by rate * decay = 0.1."""
    rate = 1e-3
    optimiser = {'steps': 1, 'learning_rate': rate, 'warmup': 0, 'weight_decay': 100.0}
    recipe = make_recipe(optimiser, network=TRANSFORMER)
    torch.manual_seed(recipe.seed)
    before = DiffusionPolicy(task, recipe).denoiser
    after = train(task, recipe, windows, windows, tmp_path).denoiser
    shrinking, others = ({id(p) for p in group} for group in before.by_decay())
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        kept = 0.9 if id(old) in shrinking else 1.0
        assert (id(old) in others) == (kept == 1.0)
        assert (new - kept * old).abs().max() < 1.01 * rate


def test_an_inpainting_loss_does_not_depend_on_noise_where_it_was_observed(
    task, make_recipe, seen_later
):
    torch.manual_seed(0)
    policy = DiffusionPolicy(task, make_recipe(network=INPAINTING))
    vector, actions = (torch.from_numpy(a) for a in (seen_later.observations, seen_later.actions))
    policy.fit(vector, actions)
    noise, steps = torch.randn(8, *policy.noise_shape), torch.arange(8)
    later = torch.from_numpy(seen_later.later)

    def loss():
        return policy.loss(Observations(vector), actions, noise, steps, later=later)

    expected = loss()
    noise[:, :2, 2:] += 1
    torch.testing.assert_close(loss(), expected, atol=1e-6, rtol=0)
    noise[:, 2, 2:] += 1
    assert (loss() - expected).abs() > 1e-3
    with pytest.raises(ValueError, match='those of the 6 steps after each window'):
        policy.loss(Observations(vector), actions, noise, steps)


def test_inpainting_takes_neither_a_prefix_nor_cameras(task, image_task, make_recipe, look):
    recipe = make_recipe(network=INPAINTING, diffusion={'prefix': {'most': 3}})
    with pytest.raises(ValueError, match='cannot be given actions') as caught:
        DiffusionPolicy(task, recipe)
    assert str(caught.value) == ALONE
    with pytest.raises(ValueError, match=r"'toy' has cameras.*choose condition: global or local"):
        DiffusionPolicy(image_task, make_recipe(network=INPAINTING, vision=look))


@pytest.mark.parametrize('condition', ['local', 'inpainting'])
def test_more_observed_than_predicted_steps_cannot_lie_beside_each_other(
    task, make_recipe, condition
):
    horizons = {'observation': 10, 'prediction': 8, 'action': 4}
    long = Task.model_validate(task.model_dump() | {'horizons': horizons})
    with pytest.raises(ValueError, match=f'condition: {condition} lays 10 observed steps beside'):
        DiffusionPolicy(long, make_recipe(network=UNET | {'condition': condition}))


@pytest.mark.parametrize('width', [15, 17])
def test_a_width_that_heads_cannot_share_is_a_sentence(make_recipe, width):
    with pytest.raises(yamlfile.ConfigError, match=f'multiple of heads, found {width} and 3'):
        make_recipe(network=TRANSFORMER | {'width': width, 'heads': 3})


def test_a_token_sees_the_observations_up_to_its_own_time(task, make_recipe):
    """With five observed steps and first -1, action 0 belongs to the last but one."""
    horizons = {'observation': 5, 'prediction': 8, 'action': 4, 'first': -1}
    long = Task.model_validate(task.model_dump() | {'horizons': horizons})
    policy = DiffusionPolicy(long, make_recipe(network=TRANSFORMER)).eval()
    condition = torch.randn(1, policy.condition_dim, requires_grad=True)
    output = policy.denoiser(torch.randn(1, 8, 2), torch.tensor([3]), condition)
    (gradient,) = torch.autograd.grad(output[:, 0].sum(), condition)
    seen = gradient.unflatten(1, (5, 2)).abs().sum(dim=(0, 2)) > 0
    assert seen.tolist() == [True, True, True, True, False]


def test_recipes_from_before_the_choice_are_written_as_they_were(make_recipe):
    assert 'condition' not in yamlfile.dump(make_recipe(network=UNET))
    assert 'condition: local' in yamlfile.dump(make_recipe(network=NETWORKS['local']))


@pytest.mark.parametrize(
    ('recipe', 'task', 'step', 'published'),
    [
        ('paper_unet_state', 'pusht_gym', 20, 66e6),
        ('paper_unet_image', 'pusht_cell_image', 64 + 2, 253e6),
        ('paper_transformer', 'pusht_gym', 20, 9e6),
    ],
)
def test_the_papers_recipes_have_the_papers_sizes(recipe, task, step, published):
    """For the observations of its Push-T: 10 points as the state, or one camera and the tip."""
    task = load_task(share('config', 'tasks', f'{task}.yaml'))
    loaded = yamlfile.load(Recipe, share('config', 'training', f'{recipe}.yaml'))
    with torch.device('meta'):
        network = build_denoiser(task, loaded, task.horizons.observation * step)
    count = sum(p.numel() for p in network.parameters())
    assert count == pytest.approx(published, rel=0.01)
