"""Encoders of a task's cameras: shapes, sharing, freezing, training and use."""

import pytest
import torch

from dp_ros import yamlfile
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import ResnetEncoder, SmallEncoder
from dp_ros.learning.vision import VisionEncoder
from tests.learning import image_windows

KINDS = {'small': SmallEncoder, 'resnet18': ResnetEncoder}


@pytest.fixture
def make(image_task):
    def make(kind='small', **settings):
        torch.manual_seed(0)
        given = {'kind': kind, 'keypoints': 4, 'features': 6} | settings
        recipe = yamlfile.parse(KINDS[kind], given, 'encoder')
        return VisionEncoder(image_task.cameras, recipe)

    return make


@pytest.fixture
def frames():
    """Four windows' images: camera -> (4, 2, H, W, 3)."""
    seen = image_windows.make().batch([0, 7, 8, 21]).images
    return {name: torch.from_numpy(images) for name, images in seen.items()}


@pytest.mark.parametrize('kind', KINDS)
def test_features_of_all_cameras_stand_side_by_side_in_task_order(make, frames, kind):
    vision = make(kind).eval()
    features = vision(frames)
    assert features.shape == (4, 2, vision.dim)
    assert vision.dim == 2 * 6
    left = vision.encode('left', frames['left'][:, 1])
    torch.testing.assert_close(features[:, 1, :6], left, rtol=1e-3, atol=1e-5)
    backwards = vision(dict(reversed(frames.items())))
    assert torch.equal(backwards, features)


def test_each_camera_has_its_own_encoder_or_all_share_one(make, frames):
    own, shared = make(), make(shared=True)
    assert list(own.encoders) == ['left', 'right']
    assert list(shared.encoders) == ['shared']
    assert shared.encoder('left') is shared.encoder('right')
    assert shared.eval()(frames).shape == (4, 2, shared.dim)
    count = sum(p.numel() for p in shared.parameters())
    assert sum(p.numel() for p in own.parameters()) == 2 * count


def test_use_sees_the_centre_and_training_another_view_each_time(make, frames):
    vision = make(crop=0.8, brightness=0.2)
    first, second = vision.train()(frames), vision(frames)
    assert not torch.allclose(first, second)
    first, second = vision.eval()(frames), vision(frames)
    assert torch.equal(first, second)
    edge = {name: images.clone() for name, images in frames.items()}
    for images in edge.values():
        images[..., 0, :, :] = 255  # the first row, which the centre crop leaves out
    assert torch.equal(vision(edge), first)


@pytest.mark.parametrize('kind', KINDS)
def test_whatever_learns_gets_a_gradient_and_whatever_is_frozen_none(make, frames, kind):
    for frozen in (False, True):
        vision = make(kind, weights='somewhere', frozen=frozen)
        if kind == 'resnet18' or not frozen:
            vision(frames).square().sum().backward()
        held = {id(p) for p in vision.held().parameters()} if frozen else set()
        for name, parameter in vision.named_parameters():
            assert (parameter.grad is None) == (id(parameter) in held), name
    learns = [name for name, p in vision.named_parameters() if p.requires_grad]
    # Of a frozen ResNet the reading of its maps still learns; a frozen small encoder is ours.
    assert bool(learns) == (kind == 'resnet18')
    assert not [name for name in learns if 'backbone' in name]


def test_a_task_with_cameras_needs_a_recipe_with_an_encoder(image_task, make_recipe):
    with pytest.raises(ValueError, match=r"'toy' has cameras, but the recipe has no image enc"):
        DiffusionPolicy(image_task, make_recipe())


def test_a_task_without_cameras_ignores_the_encoder_of_a_recipe(task, make_recipe, look):
    assert DiffusionPolicy(task, make_recipe(vision=look)).vision is None


def test_frozen_without_weights_is_refused(make):
    with pytest.raises(yamlfile.ConfigError, match='frozen needs weights'):
        make(frozen=True)


def test_images_reach_the_actions(image_task, make_recipe, look, images):
    torch.manual_seed(0)
    policy = DiffusionPolicy(image_task, make_recipe(vision=look)).eval()
    vector = torch.from_numpy(images.observations[:1])
    noise = torch.randn(1, 8, 2)
    answers = []
    for row in (0, 9):
        seen = {k: torch.from_numpy(v) for k, v in images.batch([row]).images.items()}
        answers.append(policy.predict(Observations(vector, seen), noise))
        known = policy.look(Observations(vector, seen))
        again = policy.predict(Observations(vector), noise, seen=known)
        assert torch.equal(answers[-1], again)
    assert not torch.allclose(*answers)
