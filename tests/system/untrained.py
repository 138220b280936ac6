"""A policy from pixels that has learnt nothing: it wanders by millimetres around the tip."""

import torch

from dp_ros import yamlfile
from dp_ros.learning import checkpoint
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.paths import share
from dp_ros.task import load_task

REACH_M = 0.005


def save(folder):
    """Write its checkpoint, of the task pusht_cell_image, to `folder`."""
    task = load_task(share('config', 'tasks', 'pusht_cell_image.yaml'))
    recipe = {
        'network': {'kind': 'mlp', 'width': 64, 'blocks': 2, 'step_embedding': 16},
        'features': {'kind': 'relative'},
        'vision': {'kind': 'small', 'keypoints': 8, 'features': 16},
        'diffusion': {'prediction': 'sample', 'inference_steps': 4},
        'optimiser': {'steps': 1},
    }
    torch.manual_seed(0)
    policy = DiffusionPolicy(task, yamlfile.parse(Recipe, recipe, 'untrained'))
    tips = torch.rand(200, 1, task.observation_dim).expand(-1, task.horizons.observation, -1)
    away = REACH_M * (2 * torch.rand(200, task.horizons.prediction, task.action_dim) - 1)
    policy.fit(tips, tips[:, -1:] + away)
    checkpoint.save(policy.eval(), folder)
