"""dp-ros train and pretrain on a recorded set of images, as a person runs them."""

import socket
import subprocess
import sys

import numpy as np
import pytest
import torch

from dp_ros import yamlfile
from dp_ros.data import replay_buffer
from dp_ros.data.replay_buffer import Episode
from dp_ros.learning import checkpoint, initial_weights
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Distillation, Pretraining, Recipe
from dp_ros.paths import share
from dp_ros.task import load_task
from tests.learning import image_windows

RECIPES = sorted(share('config', 'training').glob('*.yaml'))
IMAGE_RECIPES = [p for p in RECIPES if 'image' in p.stem and 'pretrain' not in p.stem]


@pytest.fixture
def folder(image_task, make_recipe, look, tmp_path):
    """A folder with a set of 4 episodes, the task, and recipes."""
    made = image_windows.make(80)
    images = {name: store.read(np.arange(80)) for name, store in made.frames.items()}
    episodes = [
        Episode(
            made.observations[rows, -1],
            made.actions[rows, 1],
            {'keypoint': made.extra['keypoint'][rows]} | {n: f[rows] for n, f in images.items()},
        )
        for rows in np.split(np.arange(80), 4)
    ]
    replay_buffer.write(tmp_path / 'set.zarr', episodes, image_task.cameras)
    (tmp_path / 'task.yaml').write_text(yamlfile.dump(image_task))
    (tmp_path / 'recipe.yaml').write_text(yamlfile.dump(make_recipe(vision=look)))
    frozen = look | {'weights': str(tmp_path / 'eyes'), 'frozen': True}
    (tmp_path / 'frozen.yaml').write_text(yamlfile.dump(make_recipe(vision=frozen)))
    pretraining = {'vision': look, 'optimiser': {'steps': 5, 'batch': 8}}
    (tmp_path / 'eyes.yaml').write_text(
        yamlfile.dump(yamlfile.parse(Pretraining, pretraining, 'eyes'))
    )
    return tmp_path


def test_encoders_are_pretrained_and_a_policy_is_trained_on_them(dp_ros, folder):
    given = (folder / 'set.zarr', '--task', folder / 'task.yaml', '--workers', 0)
    code, said = dp_ros(
        'pretrain', *given, '--recipe', folder / 'eyes.yaml', '-o', folder / 'eyes'
    )
    assert code == 0, said
    assert '4 episodes: 60 steps to learn keypoint from, 20 from 1 episodes to validate' in said
    assert 'step 5: mean error' in said
    assert (folder / 'eyes' / initial_weights.FILE).is_file()

    code, said = dp_ros(
        'train', *given, '--recipe', folder / 'frozen.yaml', '-o', folder / 'run', '--half'
    )
    assert code == 0, said
    assert 'small encoders of left, right: 0.05 M parameters, frozen, from' in said
    assert 'encoding' in said
    assert 'step 20: validation loss' in said
    loaded = checkpoint.load(folder / 'run' / 'checkpoint')
    assert loaded.identity in said
    assert loaded.policy.recipe.half


@pytest.mark.timeout(300)
def test_torchrun_trains_one_policy_with_two_machines(folder):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        meeting = f'127.0.0.1:{free.getsockname()[1]}'
    # As on two machines of one process each (docs/scale.md).
    command = [
        *(sys.executable, '-m', 'torch.distributed.run', '--nnodes', '2', '--nproc-per-node', '1'),
        *('--rdzv-backend', 'c10d', '--rdzv-endpoint', meeting, '--rdzv-id', 'a run'),
        *('-m', 'dp_ros.cli', 'train', folder / 'set.zarr', '--task', folder / 'task.yaml'),
        *('--recipe', folder / 'recipe.yaml', '-o', folder / 'run', '--workers', '0'),
    ]
    machines = [
        subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [machine.communicate(timeout=250) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said
    reports = sum(out.count('checkpoint: ') for out, _ in said)
    assert reports == 1, 'both processes reported'
    assert checkpoint.load(folder / 'run' / 'checkpoint').task.name == 'toy'


def test_targets_that_the_set_does_not_have_are_a_sentence(dp_ros, folder):
    code, said = dp_ros(
        *('pretrain', folder / 'set.zarr', '--task', folder / 'task.yaml', '--targets', 'colour'),
        *('--recipe', folder / 'eyes.yaml', '-o', folder / 'eyes'),
    )
    assert code == 1
    assert 'colour' in said


def test_a_task_without_cameras_cannot_be_pretrained(dp_ros, folder):
    code, said = dp_ros(
        *('pretrain', folder / 'set.zarr', '--task', 'two_arcs'),
        *('--recipe', folder / 'eyes.yaml', '-o', folder / 'eyes'),
    )
    assert code == 1
    assert "task 'two_arcs' has no camera, so there is nothing to pretrain" in said


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_the_recipes_that_ship_are_valid(path):
    if path.stem.endswith('_pretrain'):
        assert yamlfile.load(Pretraining, path).vision.weights is None
    elif path.stem.endswith('_distilled'):
        assert yamlfile.load(Distillation, path).inference_steps == 1
    else:
        assert yamlfile.load(Recipe, path).optimiser.steps > 0


@pytest.mark.parametrize('path', IMAGE_RECIPES, ids=lambda path: path.stem)
def test_image_recipes_describe_policies_that_see(path):
    recipe = yamlfile.load(Recipe, path)
    task = load_task(share('config', 'tasks', 'pusht_cell_image.yaml'))
    with torch.device('meta'):
        policy = DiffusionPolicy(task, recipe)
    learned = {name for name, p in policy.named_parameters() if p.requires_grad}
    assert any(name.startswith('denoiser') for name in learned)
    encoders = {name for name in learned if name.startswith('vision')}
    assert bool(encoders) == (recipe.vision.kind == 'resnet18' or not recipe.vision.frozen)
    backbones = {name for name in encoders if '.backbone.' in name}
    assert bool(backbones) == (not recipe.vision.frozen)
