"""Where a policy computes, and that OpenVINO computes there what torch does."""

import sys

import numpy as np
import pytest
import torch

from dp_ros.learning import checkpoint
from dp_ros.learning.engine import Engine
from dp_ros.learning.observations import Observations
from dp_ros.learning.onnx_network import exported
from dp_ros.learning.openvino_network import OpenVinoNetwork
from dp_ros.learning.place import place
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.transition import TRANSITIONS
from dp_ros.paths import share

NETWORKS = {
    'unet': {'kind': 'unet', 'widths': [16, 32], 'step_embedding': 16},
    'mlp': {'kind': 'mlp', 'width': 32, 'blocks': 2, 'step_embedding': 16},
    'transformer': {'kind': 'transformer', 'width': 32, 'layers': 2, 'heads': 2},
}


@pytest.fixture(scope='module', params=NETWORKS)
def policy(request, task, make_recipe):
    torch.manual_seed(0)
    diffusion = {'prediction': 'epsilon', 'inference_steps': 4, 'prefix': {'most': 3}}
    recipe = make_recipe(network=NETWORKS[request.param], diffusion=diffusion)
    made = DiffusionPolicy(task, recipe)
    made.fit(torch.rand(50, 2, 2), torch.rand(50, 8, 2))
    return made.eval()


@pytest.mark.parametrize('name', TRANSITIONS)
def test_each_strategy_gives_in_openvino_what_it_gives_in_torch(policy, name):
    engine, rng = Engine(policy, 'openvino', transition=name), np.random.default_rng(1)
    window = rng.uniform(0, 1, (2, 2))
    noise = rng.normal(size=engine.noise_shape).astype(np.float32)
    plan = np.full((8, 2), np.nan)
    plan[:6] = rng.uniform(0, 1, (6, 2))
    for before, delay in ((None, 0), (plan, 2)):
        with torch.no_grad():
            vector = torch.from_numpy(window).float()[None]
            given = None if before is None else torch.from_numpy(before).float()[None]
            committed = policy.committed(vector, given, delay)
            denoising = policy.denoising(policy.condition(vector, None))
            clean = engine.transition(denoising, torch.from_numpy(noise)[None], committed)
            expected = policy.decode(vector, clean)[0]
        found = engine.predict(window, noise, None, before, delay)
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize('model', ['pusht_cell', 'pusht_cell_image'])
def test_shipped_policies_answer_in_openvino_what_they_answer_in_torch(model):
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
    engine = Engine(policy, 'openvino')
    noise = rng.normal(size=engine.noise_shape).astype(np.float32)
    observations = Observations(torch.from_numpy(window).float()[None], images)
    with torch.no_grad():
        plain = policy.predict(observations, torch.from_numpy(noise))[0]
    np.testing.assert_allclose(engine.predict(window, noise, frames), plain, atol=1e-4, rtol=0)


def test_a_network_that_openvino_computes_wrongly_is_refused(monkeypatch):
    layer = torch.nn.Linear(2, 2)
    graph = exported(layer, {'x': torch.zeros(1, 2)})
    OpenVinoNetwork(graph)
    answer = OpenVinoNetwork.outputs
    monkeypatch.setattr(
        OpenVinoNetwork, 'outputs', lambda self, *given: [answer(self, *given)[0] + 0.01]
    )
    with pytest.raises(RuntimeError, match=r'wrongly: 0.01 from ONNX Runtime, 0.000.* device cpu'):
        OpenVinoNetwork(graph)


def test_without_openvino_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, 'dp_ros.learning.openvino_network', raising=False)
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(ImportError, match=r"pip install 'dp_ros\[openvino\]', or use device cpu"):
        place('openvino')


@pytest.mark.parametrize(('seen', 'expected'), [(True, 'cuda'), (False, 'cpu')])
def test_unless_told_otherwise_a_policy_computes_on_a_gpu_if_there_is_one(
    monkeypatch, seen, expected
):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: seen)
    assert place('').device.type == expected
