"""Small tasks and recipes, and one thread, so that results do not depend on the machine."""

import numpy as np
import pytest
import torch

from dp_ros import yamlfile
from dp_ros.data.windows import Windows
from dp_ros.learning.recipe import Recipe
from dp_ros.task import Task

torch.set_num_threads(1)


@pytest.fixture
def task():
    return yamlfile.parse(
        Task,
        {
            'name': 'toy',
            'rate_hz': 10,
            'horizons': {'observation': 2, 'prediction': 8, 'action': 4},
            'observations': [
                {'type': 'pose', 'name': 'tcp', 'topic': '/tcp_pose', 'components': ['x', 'y']}
            ],
            'action': {
                'space': 'cartesian',
                'components': ['x', 'y'],
                'fixed': {'z': 0, 'rx': 0, 'ry': 0, 'rz': 0},
            },
        },
        'toy',
    )


@pytest.fixture
def make_recipe():
    def make(optimiser=None, diffusion=None, **other):
        return yamlfile.parse(
            Recipe,
            {
                'network': {'kind': 'mlp', 'width': 64, 'blocks': 2, 'step_embedding': 16},
                'features': {'kind': 'plain'},
                'diffusion': {'training_steps': 50, 'inference_steps': 10} | (diffusion or {}),
                'optimiser': {'steps': 20, 'batch': 16, 'learning_rate': 2e-3, 'warmup': 5}
                | (optimiser or {}),
            }
            | other,
            'toy recipe',
        )

    return make


@pytest.fixture
def windows():
    """Eight windows whose actions follow from their observations."""
    rng = np.random.default_rng(0)
    observations = rng.uniform(-3, 5, (8, 2, 2)).astype(np.float32)
    along = np.linspace(0, 1, 8, dtype=np.float32)[None, :, None]
    actions = observations[:, -1:] + along * (10 - observations[:, :1])
    return Windows(observations, actions)
