"""Training from images: streaming, parts, several processes, frozen encoders, resume."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dp_ros.learning import checkpoint, initial_weights, training_state
from dp_ros.learning.distributed import Peers
from dp_ros.learning.frozen_features import encode_all
from dp_ros.learning.job import HERE, Machine
from dp_ros.learning.looks import augmented
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.resnet import WeightsError, import_torchvision
from dp_ros.learning.train import train
from dp_ros.learning.training_state import ResumeError
from dp_ros.learning.vision import VisionEncoder
from tests.learning import image_windows
from tests.learning.test_train import PROCESS, assert_equal_runs, kill_at, written


@pytest.fixture
def make_image_recipe(make_recipe, look):
    def make(vision=None, optimiser=None, **other):
        vision = look | (vision or {})
        return make_recipe(optimiser=optimiser, vision=vision, **other)

    return make


# Processes of their own import torch anew, next to everything else that is being tested.
pytestmark = pytest.mark.timeout(300)


def losses_of(task, recipe, windows, folder, machine=HERE):
    told = []
    train(task, recipe, windows, windows, folder, machine, report=told.append)
    return np.array([p.loss for p in told if p.stage == 'training'])


def vision_of(folder):
    return checkpoint.load(folder / 'checkpoint').policy.vision


def test_every_part_of_denoiser_and_encoders_learns_at_its_own_rate(
    image_task, make_image_recipe, images, tmp_path
):
    optimiser = {'steps': 1, 'warmup': 0, 'learning_rate': 1e-2, 'weight_decay': 0}
    recipe = make_image_recipe({'learning_rate_scale': 0.1}, optimiser)
    start = DiffusionPolicy(image_task, recipe)
    state = {name: value.clone() for name, value in start.state_dict().items()}
    train(image_task, recipe, images, images, tmp_path, initial=start)
    after = load_file(tmp_path / training_state.FILE)
    # A constant over a whole map moves no spatial softmax: its bias has no gradient.
    for name in [n for n, _ in start.named_parameters() if not n.endswith('points.bias')]:
        # The first step of Adam is as long as the learning rate wherever there is a gradient.
        moved = (after[f'model/{name}'] - state[name]).abs().max().item()
        assert moved == pytest.approx(1e-3 if name.startswith('vision') else 1e-2, rel=1e-2), name


def test_a_loss_seen_by_readers_is_the_same_to_the_bit_and_so_is_a_resumed_run(
    image_task, make_image_recipe, images, tmp_path
):
    recipe = make_image_recipe(optimiser={'steps': 12}, save_every=4)
    killed = written(tmp_path / 'killed', image_task, recipe)
    kill_at(6, [sys.executable, str(PROCESS), str(killed), '2'])
    resumed = losses_of(image_task, recipe, images, killed / 'run')
    assert len(resumed) == 8
    whole = losses_of(image_task, recipe, images, tmp_path / 'run')
    assert np.array_equal(whole[4:], resumed)
    assert_equal_runs(tmp_path / 'run', killed / 'run')


def test_a_batch_in_parts_is_the_same_batch(image_task, make_image_recipe, images, tmp_path):
    whole = losses_of(image_task, make_image_recipe(), images, tmp_path / 'whole')
    parts = make_image_recipe(optimiser={'accumulate': 4})
    np.testing.assert_allclose(
        losses_of(image_task, parts, images, tmp_path / 'parts'), whole, rtol=1e-5
    )
    one, other = vision_of(tmp_path / 'whole'), vision_of(tmp_path / 'parts')
    for name, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_two_processes_of_torchrun_learn_as_one_with_twice_their_batch(
    image_task, make_image_recipe, images, tmp_path
):
    recipe = make_image_recipe()
    folder = written(tmp_path / 'two', image_task, recipe)
    torchrun = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    subprocess.run(
        [*torchrun, '--nproc-per-node', '2', str(PROCESS), str(folder), '0'],
        check=True,
        capture_output=True,
        timeout=250,
    )
    two = json.loads((folder / 'losses.json').read_text())
    one = losses_of(image_task, recipe, images, tmp_path / 'one')
    np.testing.assert_allclose(two, one, rtol=1e-5)
    mine, theirs = vision_of(tmp_path / 'one'), vision_of(folder / 'run')
    for name, value in mine.state_dict().items():
        torch.testing.assert_close(theirs.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_a_batch_that_cannot_be_shared_is_a_sentence(
    image_task, make_image_recipe, images, tmp_path
):
    recipe = make_image_recipe(optimiser={'accumulate': 2})
    three = Machine(peers=Peers(0, 3))
    with pytest.raises(ValueError, match=r'must be a multiple of 6 .processes x.*, found 16'):
        losses_of(image_task, recipe, images, tmp_path, three)


def test_machines_that_found_different_states_do_not_train(
    image_task, make_image_recipe, images, tmp_path
):
    class Apart(Peers):
        def agree(self, what):
            return False

    apart = Machine(peers=Apart())
    with pytest.raises(ResumeError, match=f'other states of the run in {tmp_path}'):
        losses_of(image_task, make_image_recipe(), images, tmp_path, apart)


def test_half_precision_on_a_cpu_is_refused(image_task, make_image_recipe, images, tmp_path):
    for precision in ('bf16', 'fp16'):
        recipe = make_image_recipe(optimiser={'precision': precision})
        with pytest.raises(ValueError, match=f'precision {precision} is for GPUs; on cpu it is'):
            losses_of(image_task, recipe, images, tmp_path)


def test_augmentation_of_a_window_does_not_depend_on_its_batch(image_task, make_image_recipe):
    vision = DiffusionPolicy(image_task, make_image_recipe()).vision
    seen = image_windows.make().batch([0, 5, 5, 7]).images
    batch = {name: torch.from_numpy(frames) for name, frames in seen.items()}
    looks = torch.tensor([3, 1, 2, 3])
    whole = augmented(vision, batch, looks)
    parts = [
        augmented(vision, {k: v[i : i + 1] for k, v in batch.items()}, looks[i : i + 1])
        for i in range(4)
    ]
    torch.testing.assert_close(torch.cat(parts), whole)
    assert not torch.allclose(whole[1], whole[2])  # one window, two looks at it


@pytest.fixture
def pretrained(image_task, make_image_recipe, tmp_path):
    """A folder with the weights of encoders that nothing has trained."""
    torch.manual_seed(5)
    vision = DiffusionPolicy(image_task, make_image_recipe()).vision
    initial_weights.save(vision, tmp_path / 'pretrained')
    return tmp_path / 'pretrained'


class Counted:
    """Frames that count how often they are asked for."""

    def __init__(self, frames):
        self.frames, self.read_rows = frames, []

    def __len__(self):
        return len(self.frames)

    def read(self, rows):
        self.read_rows += np.asarray(rows).ravel().tolist()
        return self.frames.read(rows)


def test_frozen_encoders_see_each_frame_once_and_stay_as_they_are(
    image_task, make_image_recipe, images, pretrained, tmp_path
):
    recipe = make_image_recipe({'weights': str(pretrained), 'frozen': True})
    counted = {name: Counted(frames) for name, frames in images.frames.items()}
    held_out = replace(images, observations=images.observations[:9], actions=images.actions[:9])
    told = []
    train(
        image_task,
        recipe,
        replace(images, frames=counted),
        replace(held_out, steps=images.steps[:9]),
        tmp_path / 'run',
        report=told.append,
    )
    assert all(sorted(c.read_rows) == list(range(49)) for c in counted.values())
    assert [(p.step, p.steps) for p in told if p.stage == 'encoding'] == [(49, 49)]
    assert sum(p.stage == 'training' for p in told) == 20
    kept = vision_of(tmp_path / 'run').state_dict()
    start = load_file(pretrained / initial_weights.FILE)
    assert all(torch.equal(kept[name], value) for name, value in start.items())


def test_features_from_the_table_are_those_of_the_frames(
    image_task, make_image_recipe, images, pretrained
):
    recipe = make_image_recipe({'weights': str(pretrained), 'frozen': True})
    vision = DiffusionPolicy(image_task, recipe).vision.eval()
    initial_weights.initialise_vision(vision)
    table = encode_all(vision, images, 'cpu', workers=0)
    rows = [0, 7, 47]
    batch = images.batch(rows).images
    seen = vision({name: torch.from_numpy(frames) for name, frames in batch.items()})
    torch.testing.assert_close(table(torch.tensor(rows)), seen, rtol=1e-4, atol=1e-5)
    several = encode_all(vision, images, 'cpu', workers=0, views=3)
    twice = torch.tensor([7, 7])
    torch.testing.assert_close(several(twice, torch.tensor([0, 3])), seen[[1, 1]])
    one, other = several(twice, torch.tensor([4, 2]))
    assert not torch.allclose(one, seen[1], atol=1e-4)
    assert not torch.allclose(one, other, atol=1e-4)


def test_weights_are_read_when_training_begins_and_never_again(
    image_task, make_image_recipe, images, pretrained, tmp_path
):
    recipe = make_image_recipe(
        {'weights': str(pretrained), 'learning_rate_scale': 1e-9},
        {'steps': 4},
        save_every=2,
    )
    start = load_file(pretrained / initial_weights.FILE)
    first = written(tmp_path / 'run', image_task, recipe)
    kill_at(3, [sys.executable, str(PROCESS), str(first), '0'])
    for file in pretrained.iterdir():
        file.unlink()
    resumed = losses_of(image_task, recipe, images, first / 'run')
    assert len(resumed) in (1, 2)
    for name, value in vision_of(first / 'run').state_dict().items():
        torch.testing.assert_close(value, start[name], rtol=0, atol=1e-6)
    with pytest.raises(WeightsError, match=r'no such weight file; vision.weights must be'):
        losses_of(image_task, recipe, images, tmp_path / 'anew')


def test_weights_of_other_encoders_are_a_sentence(
    image_task, make_image_recipe, images, pretrained, tmp_path
):
    recipe = make_image_recipe({'weights': str(pretrained), 'keypoints': 5})
    with pytest.raises(WeightsError, match=r"does not hold encoders for the cameras \['left', 'r"):
        losses_of(image_task, recipe, images, tmp_path / 'run')


def test_a_frozen_resnet_keeps_its_backbone_and_learns_what_is_behind_it(
    image_task, make_recipe, images, tmp_path
):
    torch.manual_seed(3)
    stored = import_torchvision().models.resnet18(weights=None).state_dict()
    save_file(stored, tmp_path / 'resnet.safetensors')
    vision = {
        'kind': 'resnet18',
        'weights': str(tmp_path / 'resnet.safetensors'),
        'frozen': True,
        'shared': True,
        'keypoints': 4,
        'features': 6,
    }
    recipe = make_recipe(vision=vision, optimiser={'steps': 3, 'batch': 4, 'warmup': 0})
    losses_of(image_task, recipe, images, tmp_path / 'run')
    encoder = vision_of(tmp_path / 'run').encoder('left')
    torch.manual_seed(0)
    before = VisionEncoder(image_task.cameras, recipe.vision).encoder('left')
    assert torch.equal(encoder.backbone[1].weight, stored['conv1.weight'])
    assert torch.equal(encoder.backbone[8][1].bn2.running_var, stored['layer4.1.bn2.running_var'])
    assert not any(p.requires_grad for p in before.backbone.parameters())
    fresh = DiffusionPolicy(image_task, recipe)
    assert all(p.requires_grad for p in fresh.vision.encoder('left').points.parameters())


@pytest.mark.parametrize('kind', ['small', 'resnet18'])
@pytest.mark.parametrize('precision', [torch.bfloat16, torch.float16])
def test_the_loss_in_mixed_precision_is_nearly_that_in_float32(
    image_task, make_recipe, look, images, kind, precision
):
    unet = {'kind': 'unet', 'widths': [16, 32], 'step_embedding': 16}
    torch.manual_seed(0)
    recipe = make_recipe(network=unet, vision=look | {'kind': kind, 'shared': True})
    policy = DiffusionPolicy(image_task, recipe)
    policy.fit(torch.from_numpy(images.observations), torch.from_numpy(images.actions))
    batch = images.batch(range(8))
    frames = {name: torch.from_numpy(of) for name, of in batch.images.items()}
    observations = Observations(torch.from_numpy(batch.vector), frames)
    noise, steps = torch.randn(8, *policy.noise_shape), torch.arange(8)

    def loss_and_gradient():
        seen = augmented(policy.vision, frames, torch.arange(8))
        loss = policy.loss(observations, torch.from_numpy(batch.actions), noise, steps, seen)
        policy.zero_grad()
        loss.backward()
        return loss, policy.vision.encoder('left').project[0].weight.grad

    exact, exact_slope = loss_and_gradient()
    with torch.autocast('cpu', precision):
        mixed, slope = loss_and_gradient()
    assert mixed.dtype == slope.dtype == torch.float32
    torch.testing.assert_close(mixed, exact, rtol=0.02, atol=0)
    assert torch.nn.functional.cosine_similarity(slope.ravel(), exact_slope.ravel(), dim=0) > 0.98
