"""The engine is the same function as the policy, however its chunks are joined."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.commands.evaluate import joining, planner
from dp_ros.learning import checkpoint
from dp_ros.learning.engine import Engine
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.transition import TRANSITIONS, Coherent, Guided, Replacement, Switch
from dp_ros.paths import share

MODELS = ['pusht_cell', 'pusht_gym']
DEVICES = ['cpu', 'openvino']
UNIT = {'pusht_cell': 1.0, 'pusht_gym': 1000.0}
UNET = {'kind': 'unet', 'widths': [16, 32], 'step_embedding': 16}
LOCAL, INPAINTING = UNET | {'condition': 'local'}, UNET | {'condition': 'inpainting'}
MLP = {'kind': 'mlp', 'width': 32, 'blocks': 2, 'step_embedding': 16}
TRANSFORMER = {'kind': 'transformer', 'width': 32, 'layers': 2, 'heads': 2, 'condition_layers': 1}


@pytest.fixture(scope='module', params=MODELS)
def shipped(request):
    policy = checkpoint.load(share('models', request.param)).policy
    return policy, Engine(policy, transition='switch'), UNIT[request.param]


@pytest.fixture(
    scope='module',
    params=[(UNET, 'epsilon'), (MLP, 'sample'), (TRANSFORMER, 'v')],
    ids=['unet-epsilon', 'mlp-sample', 'transformer-v'],
)
def untrained(request, task, make_recipe):
    """A policy of each network and each kind of prediction, made for a prefix; and its engines."""
    network, prediction = request.param
    torch.manual_seed(0)
    recipe = make_recipe(
        network=network,
        features={'kind': 'relative'},
        diffusion={'prediction': prediction, 'inference_steps': 4, 'prefix': {'most': 3}},
    )
    policy = DiffusionPolicy(task, recipe)
    policy.fit(torch.rand(50, 2, 2), torch.rand(50, 8, 2))
    graphs = {}

    def keep(graph, export):
        if graph not in graphs:
            graphs[graph] = export()
        return graphs[graph]

    policy.eval()
    return policy, {name: Engine(policy, transition=name, keep=keep) for name in TRANSITIONS}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(min_value=0, max_value=2**32 - 1))
def test_the_engine_answers_what_the_plain_policy_answers(shipped, seed):
    policy, engine, unit = shipped
    rng = np.random.default_rng(seed)
    window = rng.uniform(0.2, 0.5, size=(2, 5)) * unit
    window[:, 4] = rng.uniform(-3, 3)
    noise = rng.normal(size=engine.noise_shape).astype(np.float32)
    plain = policy.predict(
        Observations(torch.from_numpy(window).float()[None]), torch.from_numpy(noise)
    ).numpy()[0]
    np.testing.assert_allclose(engine.predict(window, noise), plain, atol=1e-4 * unit, rtol=0)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('model', ['pusht_cell', 'pusht_cell_image'])
def test_the_engine_answers_on_each_device_what_the_shipped_policy_answers(model, device):
    policy = checkpoint.load(share('models', model)).policy
    task, rng = policy.task, np.random.default_rng(0)
    window = rng.uniform(0.3, 0.5, (2, task.observation_dim))
    frames = {
        camera.name: [(i, rng.integers(0, 256, (*camera.size[::-1], 3), np.uint8)) for i in (1, 2)]
        for camera in task.cameras
    }
    images = {
        name: torch.from_numpy(np.stack([image for _, image in steps]))[None]
        for name, steps in frames.items()
    }
    engine = Engine(policy, device)
    noise = rng.normal(size=engine.noise_shape).astype(np.float32)
    observations = Observations(torch.from_numpy(window).float()[None], images)
    plain = policy.predict(observations, torch.from_numpy(noise))[0]
    np.testing.assert_allclose(engine.predict(window, noise, frames), plain, atol=1e-4, rtol=0)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('name', TRANSITIONS)
def test_each_strategy_gives_on_each_device_what_it_gives_in_torch(untrained, name, device):
    policy, engines = untrained
    engine = engines[name] if device == 'cpu' else Engine(policy, device, transition=name)
    rng = np.random.default_rng(1)
    window = rng.uniform(0, 1, (2, 2))
    noise = rng.normal(size=engine.noise_shape).astype(np.float32)
    plan = np.full((8, 2), np.nan)
    plan[:6] = rng.uniform(0, 1, (6, 2))
    for before, delay in ((None, 0), (plan, 0), (plan, 2)):
        with torch.no_grad():
            vector = torch.from_numpy(window).float()[None]
            given = None if before is None else torch.from_numpy(before).float()[None]
            committed = policy.committed(vector, given, delay)
            denoising = policy.denoising(policy.condition(vector, None))
            clean = engine.transition(denoising, torch.from_numpy(noise)[None], committed)
            expected = policy.decode(vector, clean)[0]
        found = engine.predict(window, noise, None, before, delay)
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)
        if engine.transition.pins and delay:
            np.testing.assert_allclose(found[:3], plan[:3], atol=1e-5)


def test_a_plan_before_makes_a_difference_to_all_but_the_switch(untrained):
    rng = np.random.default_rng(2)
    window, plan = rng.uniform(0, 1, (2, 2)), rng.uniform(0, 1, (8, 2))
    plan[5:] = np.nan
    for name, engine in untrained[1].items():
        noise = rng.normal(size=engine.noise_shape)
        alone = engine.predict(window, noise)
        joined = engine.predict(window, noise, None, plan, 1)
        assert np.array_equal(alone, joined) == (name == 'switch'), name


def test_another_number_of_samples_than_the_strategy_takes_is_a_sentence(untrained):
    with pytest.raises(ValueError, match=r'expected noise of shape \(16, .* found \(1, '):
        untrained[1]['coherent'].predict(np.zeros((2, 2)), np.zeros((1, 8, 2)))


def test_a_strategy_that_the_policy_cannot_be_joined_by_is_a_sentence(task, make_recipe, shipped):
    with pytest.raises(ValueError, match="'lerp' is no chunk transition; there are: switch"):
        Engine(shipped[0], transition='lerp')
    with pytest.raises(ValueError, match='not trained with a clean prefix'):
        Engine(DiffusionPolicy(task, make_recipe()), transition='prefix')


@pytest.mark.parametrize(
    'diffusion',
    [
        {'sampler': 'ddpm'},
        {'sampler': 'ddpm', 'variance': 'fixed_large'},
        {'eta': 0.5},
        {'sampler': 'dpm_solver', 'prediction': 'v'},
        {'drop_condition': 0.1, 'guidance': 2.0},
    ],
    ids=str,
)
@pytest.mark.parametrize('transition', [Switch(), Guided(), Replacement()], ids=repr)
def test_every_sampler_gives_in_onnx_runtime_what_it_gives_in_torch(
    task, make_recipe, diffusion, transition
):
    assert_equal_in_both(task, make_recipe(network=MLP, diffusion=diffusion), transition)


@pytest.mark.parametrize('transition', [Coherent(4), Guided()], ids=repr)
def test_local_observations_give_in_onnx_runtime_what_they_give_in_torch(
    task, make_recipe, transition
):
    recipe = make_recipe(network=LOCAL, diffusion={'inference_steps': 4})
    assert_equal_in_both(task, recipe, transition)


def assert_equal_in_both(task, recipe, transition):
    torch.manual_seed(0)
    policy = DiffusionPolicy(task, recipe)
    policy.fit(torch.rand(50, 2, 2), torch.rand(50, 8, 2))
    engine, rng = Engine(policy.eval(), transition=transition), np.random.default_rng(1)
    window, plan = rng.uniform(0, 1, (2, 2)), np.full((8, 2), np.nan)
    plan[:6] = rng.uniform(0, 1, (6, 2))
    noise = rng.normal(size=engine.noise_shape).astype(np.float32)
    vector = torch.from_numpy(window).float()[None]
    committed = policy.committed(vector, torch.from_numpy(plan).float()[None], 2)
    with torch.no_grad():
        denoising = policy.denoising(policy.condition(vector, None))
    clean = transition(denoising, torch.from_numpy(noise)[None], committed)
    found = engine.predict(window, noise, None, plan, 2)
    expected = policy.decode(vector, clean)[0].detach()
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize('prediction', ['epsilon', 'sample'])
def test_a_network_that_inpaints_gives_actions_alone_and_joins_them_by_the_switch(
    task, make_recipe, prediction
):
    torch.manual_seed(0)
    policy = DiffusionPolicy(
        task, make_recipe(network=INPAINTING, diffusion={'prediction': prediction})
    )
    policy.fit(torch.rand(50, 2, 2), torch.rand(50, 8, 2))
    engine, rng = Engine(policy.eval()), np.random.default_rng(1)
    assert engine.noise_shape == (1, 8, 2 + 2)
    window, noise = rng.uniform(0, 1, (2, 2)), rng.normal(size=(1, 8, 4)).astype(np.float32)
    vector = torch.from_numpy(window).float()[None]
    expected = policy.predict(Observations(vector), torch.from_numpy(noise))[0]
    found = engine.predict(window, noise, None, np.zeros((8, 2)), 2)
    assert found.shape == (8, 2)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)
    engine.warm_up()
    for name in [name for name in TRANSITIONS if name != 'switch']:
        with pytest.raises(ValueError, match=r'cannot be given actions.* choose the transition'):
            Engine(policy, transition=name)
        with pytest.raises(ValueError, match='inpaints observations'):
            planner(policy, 0, joining(name))


def test_a_chunk_that_would_be_late_is_denoised_in_fewer_steps_and_counted(task, make_recipe):
    torch.manual_seed(0)
    policy = DiffusionPolicy(task, make_recipe(network=MLP))
    policy.fit(torch.rand(50, 2, 2), torch.rand(50, 8, 2))
    engine, rng = Engine(policy.eval(), deadline_ms=1e-3), np.random.default_rng(1)
    window, noise = rng.uniform(0, 1, (2, 2)), rng.normal(size=(1, 8, 2)).astype(np.float32)
    observations = Observations(torch.from_numpy(window).float()[None])

    def expected(steps):
        return policy.with_sampler(steps=steps).predict(observations, torch.from_numpy(noise))[0]

    # Nothing is known yet, then that not even one step fits.
    np.testing.assert_allclose(engine.predict(window, noise), expected(10), atol=1e-4)
    assert engine.statistics() == {'denoising_steps': 10, 'shortened': 0}
    for count in (1, 2):
        np.testing.assert_allclose(engine.predict(window, noise), expected(1), atol=1e-4)
        assert engine.statistics() == {'denoising_steps': 1, 'shortened': count}
    engine.warm_up()
    engine.predict(window, noise)
    assert engine.statistics() == {'denoising_steps': 10, 'shortened': 0}
    patient = Engine(policy, deadline_ms=60_000)
    for _ in range(3):
        np.testing.assert_allclose(patient.predict(window, noise), expected(10), atol=1e-4)
    assert patient.statistics() == {'denoising_steps': 10, 'shortened': 0}


def test_two_thousand_chunks_leave_nothing_behind(task, make_recipe):
    policy = DiffusionPolicy(task, make_recipe(network=MLP, diffusion={'inference_steps': 2}))
    policy.fit(torch.rand(50, 2, 2), torch.rand(50, 8, 2))
    engine = Engine(policy.eval(), deadline_ms=1000)
    window, noise = np.zeros((2, 2)), np.zeros((1, 8, 2), np.float32)

    def held_mb():
        resident = int(Path('/proc/self/statm').read_text().split()[1])
        return resident * os.sysconf('SC_PAGE_SIZE') / 1e6

    held, tracked = [], []
    for _ in range(5):
        for _ in range(400):
            engine.predict(window, noise)
        gc.collect()
        held.append(held_mb())
        tracked.append(len(gc.get_objects()))
    # What grew with each chunk would grow in every round; 100 bytes each would be 0.04 MB.
    assert min(np.diff(held)) < 0.04
    assert min(np.diff(tracked)) < 10


def test_a_missing_gpu_is_a_sentence(shipped):
    if torch.cuda.is_available():
        pytest.skip('this machine has a GPU')
    with pytest.raises(ValueError, match='torch sees no GPU'):
        Engine(shipped[0], 'cuda')
