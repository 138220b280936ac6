"""A clean prefix: what is drawn, given and learned; and that the network goes on from it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dp_ros import yamlfile
from dp_ros.learning import checkpoint, prefix
from dp_ros.learning.committed import Committed
from dp_ros.learning.engine import Engine
from dp_ros.learning.initial_weights import take_over
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Prefix
from dp_ros.learning.train import train
from dp_ros.learning.transition import CleanPrefix, Coherent, Guided, Replacement, Switch
from dp_ros.paths import share
from dp_ros.task import Task
from tests.learning.test_transition import DELAY, EXECUTED, HORIZON, TOY

UNET = {'kind': 'unet', 'widths': [16, 32], 'step_embedding': 16}
LOCAL = UNET | {'condition': 'local'}
MLP = {'kind': 'mlp', 'width': 64, 'blocks': 2, 'step_embedding': 16}
TRANSFORMER = {'kind': 'transformer', 'width': 16, 'layers': 1, 'heads': 2}
NETWORKS = {'unet': UNET, 'local': LOCAL, 'mlp': MLP, 'transformer': TRANSFORMER}


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS)
def pair(request, task, make_recipe, windows):
    """A policy without a prefix, and one with, from an initialisation of its own."""
    policies = []
    for diffusion in ({}, {'prefix': {'most': 3}}):
        torch.manual_seed(len(policies))
        recipe = make_recipe({'steps': 5}, diffusion, network=request.param)
        policy = DiffusionPolicy(task, recipe)
        policy.fit(torch.from_numpy(windows.observations), torch.from_numpy(windows.actions))
        policies.append(policy.eval())
    return policies


def draws(policy, windows, count=8):
    """Windows, their actions, noise and steps of one training step."""
    generator = torch.Generator().manual_seed(0)
    observations = Observations(torch.from_numpy(windows.observations[:count]))
    actions = torch.from_numpy(windows.actions[:count])
    noise = torch.randn(count, *policy.noise_shape, generator=generator)
    steps = torch.randint(policy.schedule.steps, (count,), generator=generator)
    return observations, actions, noise, steps


@given(st.integers(0, 15), st.integers(0, 6), st.integers(0, 3))
def test_certain_is_what_lies_before_now_and_the_delay(extra, delay, now):
    horizon = now + delay + 1 + extra
    (mask,) = prefix.certain(torch.tensor([delay]), horizon, now)
    assert mask.tolist() == [delay > 0 and i < now + delay for i in range(horizon)]


def test_delays_are_none_with_its_share_and_else_alike():
    setting = Prefix(most=4, free=0.4)
    delays = prefix.draw_delays(setting, 20_000, torch.Generator().manual_seed(0))
    shares = torch.bincount(delays, minlength=5) / len(delays)
    assert shares.tolist() == pytest.approx([0.4, 0.15, 0.15, 0.15, 0.15], abs=0.01)


@given(st.booleans(), st.booleans())
def test_the_mask_is_the_last_number_for_tensors_and_arrays_alike(each, nothing):
    x = torch.randn(3, 5, 2)
    mask = torch.arange(5) < (torch.tensor([[0], [2], [5]]) if each else 2)
    joined = prefix.with_mask(x, None if nothing else mask)
    arrays = prefix.with_mask(x.numpy(), None if nothing else mask.numpy())
    assert torch.equal(joined[..., :2], x)
    expected = torch.zeros(3, 5) if nothing else mask.expand(3, 5).float()
    assert torch.equal(joined[..., 2], expected)
    np.testing.assert_array_equal(arrays, joined.numpy())
    assert arrays.dtype == np.float32


def test_what_is_certain_is_given_clean_and_the_rest_as_it_was():
    x, clean = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    given_in = prefix.pinned(x, clean, mask)
    assert torch.equal(given_in[0, :2], clean[0, :2])
    assert torch.equal(given_in[0, 2:], x[0, 2:])
    assert torch.equal(given_in[1], x[1])


def test_errors_at_certain_actions_do_not_count():
    errors = torch.ones(2, 4, 3)
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    assert prefix.free_mean(errors, mask) == 1
    errors[0, :2] = 1e6
    assert prefix.free_mean(errors, mask) == 1
    errors[0, 3, 1] += 18
    assert prefix.free_mean(errors, mask) == 2


def test_without_delay_the_loss_is_that_of_the_policy_without_a_prefix(pair, windows):
    plain, policy = pair
    take_over(policy, plain)
    chance = draws(plain, windows)
    expected = plain.loss(*chance)
    torch.testing.assert_close(policy.loss(*chance), expected)
    none = torch.zeros(8, dtype=torch.int64)
    torch.testing.assert_close(policy.loss(*chance, delays=none), expected)


def test_noise_at_certain_actions_changes_nothing(pair, windows):
    policy = pair[1]
    observations, actions, noise, steps = draws(policy, windows)
    delays = torch.full((8,), 2)
    loss = policy.loss(observations, actions, noise, steps, delays=delays)
    noise[:, :3] += 1  # now is 1: indices 0, 1 and 2 are certain
    assert policy.loss(observations, actions, noise, steps, delays=delays) == loss
    noise[:, 3] += 1
    assert policy.loss(observations, actions, noise, steps, delays=delays) != loss


def test_fine_tuning_begins_with_the_same_function_whatever_the_mask(pair, windows):
    plain, policy = pair
    take_over(policy, plain)
    observations, _, noise, steps = draws(plain, windows)
    condition = plain.condition(observations.vector, None)
    expected = plain.denoiser(noise, steps, condition)
    for mask in (None, torch.arange(8) < 3):
        output = policy.denoiser(policy.with_mask(noise, mask), steps, condition)
        torch.testing.assert_close(output, expected)
    again = DiffusionPolicy(policy.task, policy.recipe)
    take_over(again, policy)
    assert all(torch.equal(again.state_dict()[k], v) for k, v in policy.state_dict().items())
    with pytest.raises(RuntimeError):
        take_over(plain, policy)


def test_a_policy_without_a_prefix_says_how_to_get_one(pair, windows):
    plain = pair[0]
    denoising = plain.denoising(plain.condition(torch.zeros(1, 2, 2), None))
    committed = Committed(torch.zeros(1, 8, 2), torch.ones(8), 4)
    with pytest.raises(ValueError, match=r'not trained with a clean prefix.*prefix: \{most: 4\}'):
        CleanPrefix()(denoising, torch.zeros(1, 1, 8, 2), committed)
    with pytest.raises(ValueError, match='not trained with a clean prefix'):
        plain.check_transition(CleanPrefix())
    observations, actions, noise, steps = draws(plain, windows)
    with pytest.raises(ValueError, match='not trained with a clean prefix'):
        plain.loss(observations, actions, noise, steps, delays=torch.ones(8, dtype=torch.int64))


def test_a_prefix_that_leaves_nothing_to_predict_is_a_sentence(task, make_recipe):
    DiffusionPolicy(task, make_recipe(diffusion={'prefix': {'most': 6}}))
    with pytest.raises(ValueError, match=r'most 7 leaves nothing to predict.* at most 6'):
        DiffusionPolicy(task, make_recipe(diffusion={'prefix': {'most': 7}}))


@pytest.mark.parametrize(
    'transition', [Switch(), Guided(), Replacement(), Coherent(4), CleanPrefix()]
)
def test_every_transition_serves_a_policy_with_a_prefix(pair, windows, transition):
    policy = pair[1]
    observations, actions, *_ = draws(policy, windows)
    before = torch.full_like(actions, torch.nan)
    before[:, :-4] = actions[:, 4:]
    committed = policy.committed(observations.vector, before, 2)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(8, transition.samples, 8, 2, generator=generator)
    with torch.no_grad():
        denoising = policy.denoising(policy.condition(observations.vector, None))
        clean = transition(denoising, noise, committed)
        free = transition(denoising, noise, None)
    chunk = policy.predict(observations, noise[:, 0])
    torch.testing.assert_close(policy.decode(observations.vector, free), chunk)
    assert clean.shape == (8, 8, 2)
    if isinstance(transition, CleanPrefix):
        assert torch.equal(clean[:, :3], committed.target[:, :3])
        assert not torch.allclose(clean[:, 3:], free[:, 3:])


def test_the_engine_denoises_with_nothing_certain(pair, windows):
    policy = pair[1]
    observations, _, noise, _ = draws(policy, windows, 1)
    actions = Engine(policy).predict(observations.vector[0], noise)
    expected = policy.predict(observations, noise)[0].numpy()
    np.testing.assert_allclose(actions, expected, atol=1e-4)


def test_training_goes_on_from_a_policy_without_a_prefix_and_is_saved(pair, windows, tmp_path):
    plain, policy = pair
    trained = train(policy.task, policy.recipe, windows, windows, tmp_path, initial=plain)
    loaded = checkpoint.load(tmp_path / 'checkpoint').policy
    assert loaded.recipe.diffusion.prefix == Prefix(most=3)
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in trained.state_dict().items())
    first = (
        'down.0.0.first.0.weight'
        if 'down.0.0.first.0.weight' in dict(trained.denoiser.named_parameters())
        else 'enter.weight'
    )
    new = trained.denoiser.get_parameter(first)[:, plain.denoiser.get_parameter(first).shape[1] :]
    assert new.abs().max() > 0, 'the weights of the mask have not learned'


def test_recipes_without_a_prefix_are_written_as_before(make_recipe):
    assert 'prefix' not in yamlfile.dump(make_recipe())
    assert 'prefix' in yamlfile.dump(make_recipe(diffusion={'prefix': {'most': 4}}))
    assert 'prefix' not in make_recipe().model_dump(mode='json')['diffusion']


@pytest.mark.parametrize(
    ('name', 'identity', 'knows'),
    [('pusht_cell', '780ca69c399d0d0f', True), ('pusht_gym', '1b09574e6a00ce9a', False)],
)
def test_shipped_policies_load_as_before(name, identity, knows):
    loaded = checkpoint.load(share('models', name))
    assert loaded.identity == identity
    assert (loaded.policy.recipe.diffusion.prefix is not None) == knows


@pytest.fixture(scope='module')
def of_two_modes(make_recipe):
    """A policy of one number that has learned from the toy of test_transition.py."""
    horizons = {'observation': 1, 'prediction': HORIZON, 'action': EXECUTED, 'first': 0}
    stream = {'type': 'pose', 'name': 'tcp', 'topic': '/tcp_pose', 'components': ['x']}
    fixed = {'y': 0, 'z': 0, 'rx': 0, 'ry': 0, 'rz': 0}
    toy = {
        'name': 'two_modes',
        'rate_hz': 10,
        'horizons': horizons,
        'observations': [stream],
        'action': {'space': 'cartesian', 'components': ['x'], 'fixed': fixed},
    }
    diffusion = {'prediction': 'sample', 'prefix': {'most': 4}}
    torch.manual_seed(0)
    policy = DiffusionPolicy(
        yamlfile.parse(Task, toy, 'toy'), make_recipe(diffusion=diffusion, network=MLP)
    )
    generator = torch.Generator().manual_seed(0)
    plans = TOY.sample(4000, generator)[0].float()
    policy.fit(torch.zeros(4000, 1, 1), plans)
    optimiser = torch.optim.Adam(policy.denoiser.parameters(), 5e-3)
    nothing = Observations(torch.zeros(128, 1, 1))
    for _ in range(300):
        rows = torch.randint(4000, (128,), generator=generator)
        noise = torch.randn(128, HORIZON, 1, generator=generator)
        steps = torch.randint(policy.schedule.steps, (128,), generator=generator)
        delays = prefix.draw_delays(Prefix(most=4), 128, generator)
        optimiser.zero_grad()
        policy.loss(nothing, plans[rows], noise, steps, delays=delays).backward()
        optimiser.step()
    return policy.eval()


def test_the_network_keeps_the_mode_of_its_prefix(of_two_modes):
    """As good as the exact conditional of ../shared/facts: seam .09, flips .007."""
    generator = torch.Generator().manual_seed(1)
    before, signs = TOY.sample(300, generator)
    rest = torch.full((300, HORIZON, 1), torch.nan)
    rest[:, :EXECUTED] = before[:, EXECUTED:].float()
    window = torch.zeros(300, 1, 1)
    committed = of_two_modes.committed(window, rest, DELAY)
    noise = torch.randn(300, 1, HORIZON, 1, generator=generator)
    flips, seams = {}, {}
    for transition in (Switch(), Replacement(soft=False), CleanPrefix()):
        with torch.no_grad():
            denoising = of_two_modes.denoising(of_two_modes.condition(window, None))
            chunk = of_two_modes.decode(window, transition(denoising, noise, committed))[..., 0]
        kind = type(transition)
        flips[kind] = float((chunk[:, -1] * signs < 0).float().mean())
        seams[kind] = np.percentile((chunk[:, DELAY] - rest[:, DELAY - 1, 0]).abs(), 95)
    assert flips[Switch] == pytest.approx(0.5, abs=0.1)
    assert flips[Replacement] > 0.3
    assert flips[CleanPrefix] < 0.02
    assert seams[CleanPrefix] < 0.2 * min(seams[Switch], seams[Replacement])


def test_without_a_name_chunks_are_joined_as_suits_the_policy(pair):
    plain, with_prefix = pair
    assert Engine(plain).transition == Switch()
    assert Engine(with_prefix).transition == CleanPrefix()
