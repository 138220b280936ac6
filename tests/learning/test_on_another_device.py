"""No chunk mixes devices: the whole sampling on device `meta`, which has shapes but no numbers.

It stands in for a GPU: what is computed with tensors of the CPU beside it, or by numpy, raises.
"""

import pytest
import torch

from dp_ros.learning.committed import Committed, soft_weights
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.transition import TRANSITIONS

THERE = torch.device('meta')
NETWORKS = {
    'unet': {'kind': 'unet', 'widths': [16, 32], 'step_embedding': 16},
    'mlp': {'kind': 'mlp', 'width': 32, 'blocks': 2, 'step_embedding': 16},
    'transformer': {'kind': 'transformer', 'width': 32, 'layers': 2, 'heads': 2},
}


@pytest.mark.parametrize('network', NETWORKS)
@pytest.mark.parametrize('name', TRANSITIONS)
def test_each_strategy_stays_on_its_device(task, make_recipe, network, name):
    diffusion = {'prediction': 'epsilon', 'inference_steps': 4, 'prefix': {'most': 3}}
    recipe = make_recipe(
        network=NETWORKS[network], features={'kind': 'relative'}, diffusion=diffusion
    )
    policy = DiffusionPolicy(task, recipe).eval().to(THERE)
    transition = TRANSITIONS[name]()
    vector = torch.empty(1, 2, 2, device=THERE)
    noise = torch.empty(1, transition.samples, 8, 2, device=THERE)
    target = policy.encode(vector, torch.empty(1, 8, 2, device=THERE))
    committed = Committed(target, soft_weights(8, 1, 2, 2).to(THERE), 2)
    denoising = policy.denoising(policy.condition(vector, None))
    for before in (None, committed):
        chunk = policy.decode(vector, transition(denoising, noise, before))
        assert (chunk.device, chunk.shape) == (THERE, (1, 8, 2))
