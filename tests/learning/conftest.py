"""Small tasks and recipes, and one thread, so that results do not depend on the machine."""

import numpy as np
import pytest
import torch
from hypothesis import settings

from dp_ros import yamlfile
from dp_ros.data.windows import Windows
from dp_ros.learning.recipe import Recipe
from dp_ros.learning.resnet import import_torchvision
from dp_ros.task import Task
from tests.learning import image_windows

torch.set_num_threads(1)
# How long an example takes depends on what else the machine does.
settings.register_profile('shared machine', deadline=None)
settings.load_profile('shared machine')
# diffusers, an oracle of some tests, imports it too, and fails where only we know how to.
import_torchvision()


@pytest.fixture(scope='session')
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


@pytest.fixture(scope='session')
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


@pytest.fixture(scope='session')
def image_task(task):
    """The toy task with two small cameras."""
    cameras = [
        {'type': 'image', 'name': name, 'width': size[0], 'height': size[1], 'size': size}
        for name, size in image_windows.SIZES.items()
    ]
    toy = task.model_dump(mode='json')
    toy['observations'] += cameras
    return yamlfile.parse(Task, toy, 'toy with cameras')


@pytest.fixture(scope='session')
def look():
    """A small image encoder, as a recipe names it."""
    return {'kind': 'small', 'keypoints': 4, 'features': 6}


@pytest.fixture
def images():
    """48 windows of the toy task with cameras."""
    return image_windows.make()
