"""Each frame is encoded once, and nothing else changes: neither features nor actions."""

import numpy as np
import pytest
import torch

from dp_ros import yamlfile
from dp_ros.learning.engine import Engine
from dp_ros.learning.eyes import FRAMES_KEPT, Eyes
from dp_ros.learning.observations import Observations
from dp_ros.learning.place import place
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import ResnetEncoder
from dp_ros.learning.recorded import Recorder
from dp_ros.learning.vision import VisionEncoder
from dp_ros.task import ImageStream
from tests.learning import image_windows
from tests.learning.recording import NothingFromTheCPU, Tape

CPU = place('cpu')


@pytest.fixture
def policy(image_task, make_recipe, look):
    torch.manual_seed(0)
    policy = DiffusionPolicy(image_task, make_recipe(vision=look))
    made = image_windows.make()
    policy.fit(torch.from_numpy(made.observations), torch.from_numpy(made.actions))
    return policy.eval()


@pytest.fixture
def stream():
    """Ten frames of each camera with their stamps: camera -> [(stamp, image)]."""
    made = image_windows.make(count=10)
    return {
        name: [(1000 + i, image) for i, image in enumerate(store.read(np.arange(10)))]
        for name, store in made.frames.items()
    }


def windows_of(stream, length=2):
    """The windows that end at each frame of `stream`, in order."""
    for end in range(length, 11):
        yield {name: frames[end - length : end] for name, frames in stream.items()}


def batch_of(window):
    return {
        name: torch.from_numpy(np.stack([image for _, image in steps]))[None]
        for name, steps in window.items()
    }


def test_encoding_only_new_frames_equals_encoding_every_window_anew(policy, stream):
    engine, rng = Engine(policy), np.random.default_rng(0)
    count = 0
    for window in windows_of(stream):
        count += 1
        vector = rng.uniform(0, 1, (2, 2)).astype(np.float32)
        noise = rng.normal(size=engine.noise_shape).astype(np.float32)
        fresh = Engine(policy)
        found = engine.predict(vector, noise, window)
        np.testing.assert_array_equal(found, fresh.predict(vector, noise, window))
        assert fresh._eyes.encoded == 4
        plain = policy.predict(
            Observations(torch.from_numpy(vector)[None], batch_of(window)),
            torch.from_numpy(noise),
        )
        np.testing.assert_allclose(found, plain[0], atol=1e-4)
    assert count == 9
    assert engine._eyes.encoded == 2 * 10, 'a frame was encoded more than once'


def test_features_are_those_of_the_encoder(policy, stream):
    eyes = Eyes(policy.vision, CPU)
    for name, frames in stream.items():
        stamp, image = frames[3]
        expected = policy.vision.encode(name, torch.from_numpy(image)[None])[0].detach()
        np.testing.assert_allclose(eyes.features(name, stamp, image), expected, atol=1e-5)


def test_a_frame_may_be_encoded_ahead_of_its_window(policy, stream):
    engine = Engine(policy)
    window = next(windows_of(stream))
    vector, noise = np.zeros((2, 2)), np.zeros(engine.noise_shape)
    expected = engine.predict(vector, noise, window)
    ahead = Engine(policy)
    for name, steps in window.items():
        for stamp, image in steps:
            ahead.encode(name, stamp, image)
    assert ahead._eyes.encoded == 4
    np.testing.assert_array_equal(ahead.predict(vector, noise, window), expected)
    assert ahead._eyes.encoded == 4


def test_old_frames_are_forgotten(policy, stream):
    eyes = Eyes(policy.vision, CPU)
    _, image = stream['left'][0]
    for stamp in range(FRAMES_KEPT + 1):
        eyes.features('left', stamp, image)
    assert eyes.encoded == FRAMES_KEPT + 1
    eyes.features('left', FRAMES_KEPT, image)
    assert eyes.encoded == FRAMES_KEPT + 1
    eyes.features('left', 0, image)
    assert eyes.encoded == FRAMES_KEPT + 2


def test_wrong_frames_are_sentences(policy, stream):
    eyes = Eyes(policy.vision, CPU)
    _, image = stream['left'][0]
    with pytest.raises(ValueError, match=r"knows the cameras \['left', 'right'\], not 'top'"):
        eyes.features('top', 1, image)
    with pytest.raises(ValueError, match=r"camera 'right': expected .*\(12, 16, 3\) uint8, found"):
        eyes.features('right', 1, image)
    with pytest.raises(ValueError, match=r'found.*float'):
        eyes.features('left', 1, image.astype(np.float32))
    engine = Engine(policy)
    window = next(windows_of(stream))
    vector, noise = np.zeros((2, 2)), np.zeros(engine.noise_shape)
    with pytest.raises(ValueError, match='expected frames of the cameras'):
        engine.predict(vector, noise)
    with pytest.raises(ValueError, match='expected frames of the cameras'):
        engine.predict(vector, noise, {'left': window['left']})


def test_warming_up_leaves_no_trace(policy, stream):
    engine, warm = Engine(policy), Engine(policy)
    warm.warm_up()
    window = next(windows_of(stream))
    vector, noise = np.ones((2, 2)), np.ones(engine.noise_shape)
    np.testing.assert_array_equal(
        warm.predict(vector, noise, window), engine.predict(vector, noise, window)
    )


def test_a_resnet_sees_in_onnx_runtime_what_it_sees_in_torch():
    torch.manual_seed(0)
    given = {'type': 'image', 'name': 'top', 'width': 96, 'height': 80, 'size': (96, 80)}
    camera = yamlfile.parse(ImageStream, given, 'camera')
    recipe = yamlfile.parse(
        ResnetEncoder, {'kind': 'resnet18', 'keypoints': 4, 'features': 6}, 'encoder'
    )
    vision = VisionEncoder((camera,), recipe)
    eyes = Eyes(vision, CPU)
    answers = []
    for left, top in ((20, 50), (70, 8)):
        image = np.full((80, 96, 3), 60, np.uint8)
        image[top : top + 20, left : left + 20] = (250, 200, 40)
        expected = vision.encode('top', torch.from_numpy(image)[None])[0].detach()
        answers.append(eyes.features('top', len(answers), image))
        np.testing.assert_allclose(answers[-1], expected, atol=1e-4)
    assert not np.allclose(*answers, atol=1e-3), 'it does not see where something is'


def test_a_policy_is_in_use_after_it_has_been_exported(policy):
    Engine(policy)
    assert not [name for name, module in policy.named_modules() if module.training]


def test_a_stamp_that_comes_again_with_another_picture_is_encoded_again(policy, stream):
    name, frames = next(iter(stream.items()))
    eyes = Eyes(policy.vision, CPU)
    first = eyes.features(name, 7, frames[0][1])
    assert np.array_equal(eyes.features(name, 7, frames[0][1]), first)
    assert eyes.encoded == 1
    assert not np.array_equal(eyes.features(name, 7, frames[1][1]), first)
    assert eyes.encoded == 2


def test_encoders_as_a_gpu_records_them_are_the_same(policy, stream):
    plain, recorded, tape = Eyes(policy.vision, CPU), Eyes(policy.vision, CPU), Tape()
    recorded._networks, recorded._recorder = {}, Recorder(tape)
    for camera, frames in stream.items():
        for stamp, image in frames:
            expected = plain.features(camera, stamp, image)
            with torch.no_grad():
                assert recorded.features(camera, stamp, image) == pytest.approx(expected, abs=1e-4)
    assert tape.made == len(stream)


def test_encoders_compute_with_nothing_from_the_cpu(policy):
    there = policy.vision.to('meta')
    for name, camera in there.cameras.items():
        frames = torch.empty(1, *camera.size[::-1], 3, dtype=torch.uint8, device='meta')
        with NothingFromTheCPU():
            assert there.encode(name, frames).shape == (1, there.recipe.features)
