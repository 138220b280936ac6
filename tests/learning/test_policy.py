import pytest
import torch

from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.transition import Coherent, Guided, Replacement

UNET = {'kind': 'unet', 'widths': [16, 32], 'step_embedding': 16}


def tensors(windows):
    return torch.from_numpy(windows.observations), torch.from_numpy(windows.actions)


def fitted(task, recipe, windows):
    torch.manual_seed(0)
    policy = DiffusionPolicy(task, recipe)
    policy.fit(*tensors(windows))
    return policy.eval()


def overfit(policy, windows, steps=400):
    """Losses while `policy` learns the eight windows by heart."""
    observations, actions = tensors(windows)
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(policy.denoiser.parameters(), 3e-3)
    losses = []
    for _ in range(steps):
        rows = torch.randint(len(windows), (64,), generator=generator)
        noise = torch.randn(64, *policy.noise_shape, generator=generator)
        levels = torch.randint(policy.schedule.steps, (64,), generator=generator)
        loss = policy.loss(Observations(observations[rows]), actions[rows], noise, levels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize('sampler', ['ddim', 'ddpm'])
def test_same_window_and_noise_give_the_same_chunk_to_the_bit(task, make_recipe, windows, sampler):
    recipe = make_recipe(network=UNET, diffusion={'sampler': sampler})
    policy = fitted(task, recipe, windows)
    window = tensors(windows)[0][:1]
    noise = torch.randn(1, 8, 2, generator=torch.Generator().manual_seed(0))
    chunk = policy.predict(Observations(window), noise)
    assert torch.equal(policy.predict(Observations(window.clone()), noise.clone()), chunk)
    assert not torch.equal(policy.predict(Observations(window), noise + 0.1), chunk)
    assert not torch.equal(policy.predict(Observations(window + 0.1), noise), chunk)


@pytest.mark.parametrize('prediction', ['epsilon', 'sample'])
def test_eight_windows_are_learned_by_heart(task, make_recipe, windows, prediction):
    recipe = make_recipe(diffusion={'prediction': prediction})
    policy = fitted(task, recipe, windows)
    losses = overfit(policy, windows)
    assert sum(losses[-20:]) < 0.25 * sum(losses[:20])
    observations, actions = tensors(windows)
    noise = torch.randn(8, 8, 2, generator=torch.Generator().manual_seed(5))
    # In task units: the actions span about twenty of them.
    assert (policy.predict(Observations(observations), noise) - actions).abs().mean() < 0.8


def test_the_unet_learns_them_as_well(task, make_recipe, windows):
    recipe = make_recipe(network=UNET, diffusion={'prediction': 'sample'})
    policy = fitted(task, recipe, windows)
    overfit(policy, windows, steps=200)
    observations, actions = tensors(windows)
    noise = torch.randn(8, 8, 2, generator=torch.Generator().manual_seed(5))
    assert (policy.predict(Observations(observations), noise) - actions).abs().mean() < 0.8


def test_predictions_are_in_task_units_within_what_was_demonstrated(task, make_recipe, windows):
    policy = fitted(task, make_recipe(), windows)
    observations, actions = tensors(windows)
    chunk = policy.predict(Observations(observations), 100 * torch.randn(8, 8, 2))
    assert chunk.shape == actions.shape
    assert bool((chunk >= actions.amin(dim=0) - 1e-4).all())
    assert bool((chunk <= actions.amax(dim=0) + 1e-4).all())


def test_encoding_is_undone_by_decoding(task, make_recipe, windows):
    policy = fitted(task, make_recipe(), windows)
    observations, actions = tensors(windows)
    clean = policy.encode(observations, actions)
    assert clean.abs().max() <= 1 + 1e-5
    torch.testing.assert_close(policy.decode(observations, clean), actions)


def test_fewer_denoising_steps_are_the_same_network(task, make_recipe, windows):
    policy = fitted(task, make_recipe(), windows)
    fewer = policy.with_sampler(steps=2)
    assert len(fewer.inference_steps) == 2
    assert len(policy.inference_steps) == 10
    for name, value in policy.state_dict().items():
        assert torch.equal(fewer.state_dict()[name], value)


def test_a_horizon_that_cannot_be_halved_is_a_sentence(task, make_recipe):
    deep = {'kind': 'unet', 'widths': [8, 8, 8, 8, 8], 'step_embedding': 8}
    with pytest.raises(ValueError, match='prediction must be a multiple of 16, found 8'):
        DiffusionPolicy(task, make_recipe(network=deep))


def test_the_plan_before_is_given_in_the_terms_of_the_new_window(task, make_recipe, windows):
    recipe = make_recipe(features={'kind': 'relative'})
    policy = fitted(task, recipe, windows)
    observations, actions = tensors(windows)
    assert policy.committed(observations, None, 2) is None
    before = torch.full_like(actions, torch.nan)
    before[:, :-4] = actions[:, 4:]
    committed = policy.committed(observations, before, 2)
    # T_p 8, the action decided now at index 1, four executed: three are left from now on.
    assert committed.weights[:3].tolist() == [1, 1, 1]
    assert 0 < committed.weights[3] < 1
    assert not committed.weights[4:].any()
    back = policy.decode(observations, committed.target)
    # The first action of these windows is their position: relative to it, it never varies.
    torch.testing.assert_close(back[:, 1:4], before[:, 1:4])
    assert not committed.target[:, 4:].any()


def test_a_plan_of_which_the_beginning_is_not_known_weighs_where_it_is(task, make_recipe, windows):
    policy = fitted(task, make_recipe(), windows)
    observations, actions = tensors(windows)
    before = torch.full_like(actions, torch.nan)
    before[:, 2:6] = actions[:, 2:6]
    committed = policy.committed(observations, before, 0)
    assert committed.executed == 2
    assert not committed.weights[:2].any()
    assert (committed.weights[2:6] > 0).all()
    assert not committed.weights[6:].any()
    # Now is at index 1: the action decided now is unknown, and so is what is certain.
    assert policy.committed(observations, before, 1) is None


@pytest.mark.parametrize(('known', 'delay'), [([0, 1, 3, 4], 2), ([0, 1, 2], 3), ([], 0)])
def test_a_prefix_with_holes_or_one_that_ends_too_soon_is_none(
    task, make_recipe, windows, known, delay
):
    policy = fitted(task, make_recipe(), windows)
    observations, actions = tensors(windows)
    before = torch.full_like(actions, torch.nan)
    before[:, known] = actions[:, known]
    assert policy.committed(observations, before, delay) is None


@pytest.mark.parametrize('transition', [Guided(), Replacement(), Coherent(4)])
def test_a_policy_keeps_what_is_committed(task, make_recipe, windows, transition):
    policy = fitted(task, make_recipe(network=UNET), windows)
    observations, actions = tensors(windows)
    before = torch.full_like(actions, torch.nan)
    before[:, :-4] = actions[:, 4:]
    committed = policy.committed(observations, before, 2)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(8, transition.samples, 8, 2, generator=generator)
    with torch.no_grad():
        denoising = policy.denoising(policy.condition(observations, None))
        clean = transition(denoising, noise, committed)
        free = transition(denoising, noise, None)
    assert clean.shape == (8, 8, 2)
    gap, free_gap = ((c[:, :3] - committed.target[:, :3]).abs().mean() for c in (clean, free))
    assert gap < free_gap
