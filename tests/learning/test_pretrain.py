"""Pretraining of image encoders, and what a policy makes of them."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dp_ros import yamlfile
from dp_ros.learning import initial_weights
from dp_ros.learning.pretrain import RECIPE, pretrain
from dp_ros.learning.recipe import Pretraining, Recipe
from dp_ros.learning.resnet import WeightsError
from dp_ros.learning.train import train
from dp_ros.learning.training_state import ResumeError
from tests.learning import image_windows


@pytest.fixture(scope='module')
def make_pretraining(look):
    def make(steps=120, **other):
        optimiser = {'steps': steps, 'batch': 24, 'learning_rate': 5e-3, 'warmup': 5}
        return yamlfile.parse(
            Pretraining, {'vision': look, 'optimiser': optimiser} | other, 'toy pretraining'
        )

    return make


def frames(count, seed=0):
    """Windows of one step."""
    return image_windows.make(count, observation=1, prediction=1, seed=seed)


@pytest.fixture(scope='module')
def pretrained(image_task, make_pretraining, tmp_path_factory):
    """Folder of encoders that tell keypoints, and what the run told."""
    folder, told = tmp_path_factory.mktemp('pretrained'), []
    pretrain(
        image_task,
        make_pretraining(validate_every=120),
        'keypoint',
        frames(300),
        frames(60, seed=1),
        folder,
        report=told.append,
    )
    return folder, told


def test_keypoints_are_read_off_frames_never_seen(pretrained, make_pretraining):
    folder, told = pretrained
    places = frames(60, seed=1).targets('keypoint')
    guessing = np.abs(places - places.mean(axis=0)).mean()
    figures = told[-1].figures
    assert figures['mean_error'] < 0.35 * guessing
    assert 0 < figures['median_error'] < 0.35 * guessing
    assert yamlfile.load(Pretraining, folder / RECIPE) == make_pretraining(validate_every=120)


def test_an_interrupted_run_goes_on_to_the_bit(image_task, make_pretraining, tmp_path):
    known = frames(30)

    class Stopped(Exception):
        pass

    def stop(progress):
        if progress.step == 7:
            raise Stopped

    recipe = make_pretraining(steps=10, save_every=3)
    with pytest.raises(Stopped):
        pretrain(image_task, recipe, 'keypoint', known, known, tmp_path / 'a', report=stop)
    told = []
    pretrain(image_task, recipe, 'keypoint', known, known, tmp_path / 'a', report=told.append)
    assert [p.step for p in told] == [7, 8, 9, 10]
    pretrain(image_task, recipe, 'keypoint', known, known, tmp_path / 'b')
    one, other = (load_file(tmp_path / run / initial_weights.FILE) for run in 'ab')
    assert all(torch.equal(other[name], value) for name, value in one.items())
    changed = make_pretraining(steps=11)
    with pytest.raises(ResumeError, match='another recipe; give'):
        pretrain(image_task, changed, 'keypoint', known, known, tmp_path / 'a')


def test_a_policy_on_frozen_encoders_does_what_only_the_images_tell(
    image_task, make_recipe, look, pretrained, tmp_path
):
    vision = look | {'weights': str(pretrained[0]), 'frozen': True}
    recipe = make_recipe(
        vision=vision,
        optimiser={'steps': 600, 'batch': 64},
        diffusion={'prediction': 'sample'},
        validate_every=600,
    )
    known, new = image_windows.make(300), image_windows.make(60, seed=1)
    told = []
    policy = train(image_task, recipe, known, new, tmp_path, report=told.append)
    horizons = image_task.horizons
    executed = slice(horizons.now, horizons.now + horizons.action)
    along = np.linspace(0, 1, horizons.prediction)[executed, None]
    unseen = along * (new.targets('keypoint')[:, None] / 100 - 0.5)
    middle = np.linalg.norm(unseen, axis=-1).mean()
    assert told[-1].figures['action_error'] < 0.5 * middle
    stored = load_file(pretrained[0] / initial_weights.FILE)
    assert all(torch.equal(policy.vision.state_dict()[k], v) for k, v in stored.items())


def test_frozen_encoders_cannot_be_pretrained(make_pretraining, look):
    frozen = look | {'weights': 'somewhere', 'frozen': True}
    with pytest.raises(yamlfile.ConfigError, match='that is frozen cannot be pretrained'):
        make_pretraining(vision=frozen)


def test_encoders_frozen_without_weights_are_refused(make_recipe, look):
    with pytest.raises(yamlfile.ConfigError, match='frozen needs weights'):
        make_recipe(vision=look | {'frozen': True})
    assert isinstance(make_recipe(vision=look), Recipe)


def test_a_resnet_pretrained_from_scratch_is_used_with_the_norm_that_it_has(
    image_task, make_pretraining, make_recipe, tmp_path
):
    eyes = {'kind': 'resnet18', 'crop': 1.0}
    recipe = make_pretraining(steps=1, vision=eyes, validate_every=1)
    known = frames(24)
    pretrain(image_task, recipe, 'keypoint', known, known, tmp_path / 'eyes')
    used = eyes | {'weights': str(tmp_path / 'eyes'), 'frozen': True}
    windows = image_windows.make(24)

    def learn(vision):
        recipe = make_recipe(vision=vision, optimiser={'steps': 1, 'batch': 4}, validate_every=1)
        return train(image_task, recipe, windows, windows, tmp_path / 'run')

    with pytest.raises(WeightsError, match='from scratch, which vision must give norm: group'):
        learn(used)
    stored = load_file(tmp_path / 'eyes' / initial_weights.FILE)
    found = learn(used | {'norm': 'group'}).vision.state_dict()
    backbone = [name for name in stored if '.backbone.' in name]
    assert backbone
    assert all(torch.equal(found[name], stored[name]) for name in backbone)
