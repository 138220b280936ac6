"""Image messages to pixels: views where nothing must be copied, sentences where nothing fits."""

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from dp_ros.data import pictures
from dp_ros.data.images import prepare
from dp_ros.data.messages import MessageError
from dp_ros.data.pictures import Picture
from dp_ros.nodes import images, topics
from dp_ros.task import ImageStream

WIDTH, HEIGHT = 64, 48
STREAM = ImageStream(
    type='image', name='wrist', width=WIDTH, height=HEIGHT, crop=(4, 6, 40, 30), size=(20, 15)
)


@pytest.fixture
def scene():
    """Smooth enough for JPEG, different in every channel."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def image(scene, **fields):
    message = images.image_message(10**18, 'wrist_color_optical_frame', scene)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def padded(scene, padding=5):
    """The rows of `scene` with bytes after each, as some drivers align them."""
    rows = np.concatenate([scene.reshape(HEIGHT, -1), np.full((HEIGHT, padding), 77, np.uint8)], 1)
    message = image(scene, step=3 * WIDTH + padding)
    del message.data[:]
    message.data.frombytes(np.ascontiguousarray(rows).data.cast('B'))
    return message


def test_the_topics_are_those_of_the_task_and_of_realsense_ros():
    assert topics.color_image('wrist', jpeg=False).name == STREAM.topic
    assert topics.color_image('wrist', jpeg=True).name == STREAM.topic + '/compressed'
    assert topics.color_image('wrist', jpeg=True).type is CompressedImage
    assert topics.camera_info('wrist').name == '/wrist/color/camera_info'


def test_a_message_carries_what_was_put_in(scene):
    message = image(scene)
    assert (message.width, message.height, message.step) == (WIDTH, HEIGHT, 3 * WIDTH)
    assert (message.header.stamp.sec, message.header.frame_id) == (
        10**9,
        'wrist_color_optical_frame',
    )
    np.testing.assert_array_equal(pictures.pixels(message, STREAM), scene)
    np.testing.assert_array_equal(pictures.array(message), scene)


def test_pixels_are_the_buffer_of_the_message(scene):
    for message in (image(scene), padded(scene)):
        buffer = np.frombuffer(message.data, np.uint8)
        view = pictures.pixels(message, STREAM)
        assert np.shares_memory(view, buffer)
        np.testing.assert_array_equal(view, scene)
        left, top, width, height = STREAM.box
        assert np.shares_memory(view[top : top + height, left : left + width], buffer)


def test_the_policy_sees_what_training_saw_to_the_bit(scene):
    expected = prepare(scene, STREAM)
    bgr = np.ascontiguousarray(scene[..., ::-1])
    for message in (image(scene), padded(scene), images.image_message(0, '', bgr, pictures.BGR)):
        seen = Picture(message, STREAM).prepared()
        assert seen.flags.c_contiguous
        assert seen.tobytes() == expected.tobytes()


def test_between_message_and_policy_one_copy_is_made(scene, monkeypatch):
    given = []

    def spy(frame, stream):
        given.append(frame)
        return prepare(frame, stream)

    monkeypatch.setattr(pictures, 'prepare', spy)
    message = image(scene)
    picture = Picture(message, STREAM)
    seen = picture.prepared()
    assert np.shares_memory(given[0], np.frombuffer(message.data, np.uint8))
    assert picture.prepared() is seen
    assert len(given) == 1
    assert not seen.flags.writeable


def test_a_jpeg_is_seen_as_its_decoder_gives_it(scene):
    message = images.jpeg_message(10**18, 'frame', scene, quality=95)
    assert message.format == 'rgb8; jpeg compressed bgr8'
    seen = Picture(message, STREAM).prepared()
    decoded = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    assert seen.tobytes() == prepare(decoded[..., ::-1].copy(), STREAM).tobytes()
    # Close to what the camera saw, so that no channel was exchanged.
    error = np.abs(seen.astype(int) - prepare(scene, STREAM))
    assert error.mean() < 4
    np.testing.assert_array_equal(pictures.array(message), decoded[..., ::-1])
    pictures.check_jpeg(message, STREAM)


def broken_jpegs(scene):
    whole = images.jpeg_message(0, '', scene)
    cut = CompressedImage(format=whole.format)
    cut.data.frombytes(bytes(whole.data[:-200]))
    png = CompressedImage(format='rgb8; png compressed bgr8')
    png.data.frombytes(bytes(cv2.imencode('.png', scene)[1]))
    small = images.jpeg_message(0, '', np.ascontiguousarray(scene[:24]))
    headless = CompressedImage(format=whole.format)
    headless.data.frombytes(b'\xff\xd8\xff\xd9')
    empty = CompressedImage(format=whole.format)
    return {'no end': cut, 'png': png, '64 x 24': small, 'no size': headless, 'expected a': empty}


@pytest.mark.parametrize('sentence', ['no end', 'png', '64 x 24', 'no size', 'expected a'])
def test_a_bad_jpeg_is_named_before_it_is_decoded(scene, sentence):
    with pytest.raises(MessageError, match=sentence):
        pictures.digest(broken_jpegs(scene)[sentence], STREAM)


def test_a_jpeg_that_cannot_be_decoded_is_named(scene):
    message = images.jpeg_message(0, '', scene)
    # Sound at both ends and its size readable, but without its tables.
    at = bytes(message.data).index(b'\xff\xda')
    broken = CompressedImage(format=message.format)
    broken.data.frombytes(bytes(message.data[:at]) + b'\xff\xd9')
    pictures.check_jpeg(broken, STREAM)
    with pytest.raises(MessageError, match='cannot be decoded'):
        Picture(broken, STREAM).prepared()
    with pytest.raises(MessageError, match='cannot be decoded'):
        pictures.brightness(broken, STREAM)


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'encoding': 'mono8'}, "expected encoding rgb8 or bgr8, found 'mono8'"),
        ({'width': 32}, 'expected frames of 64 x 48 pixels, found 32 x 48'),
        ({'height': 96}, 'found 64 x 96'),
        ({'step': 100}, 'at least 192 bytes, found rows of 100'),
        ({'step': 200}, 'found rows of 200 and 9216 bytes in all'),
    ],
)
def test_a_bad_image_is_named_with_what_was_expected_and_found(scene, fields, sentence):
    with pytest.raises(MessageError, match=sentence):
        pictures.digest(image(scene, **fields), STREAM)


def test_an_empty_image_is_named(scene):
    message = Image(width=WIDTH, height=HEIGHT, encoding='rgb8', step=3 * WIDTH)
    with pytest.raises(MessageError, match='0 bytes in all'):
        pictures.pixels(message, STREAM)


def test_sensor_noise_changes_the_digest_and_equal_pixels_do_not(scene):
    noisy = scene.copy()
    noisy[8, 40] ^= 1
    for message in (images.image_message, images.jpeg_message):
        one, same = message(0, '', scene), message(10**9, '', scene.copy())
        assert pictures.digest(one, STREAM) == pictures.digest(same, STREAM)
    assert pictures.digest(image(scene), STREAM) != pictures.digest(image(noisy), STREAM)


@pytest.mark.parametrize('value', [0, 3, 90])
def test_brightness_is_the_mean_of_the_frame(value):
    frame = np.full((HEIGHT, WIDTH, 3), value, np.uint8)
    for message in (images.image_message(0, '', frame), images.jpeg_message(0, '', frame)):
        assert pictures.brightness(message, STREAM) == pytest.approx(value, abs=1)
