import zlib

import numpy as np
import pytest
from mcap.reader import make_reader

from dp_ros.core.frame_watch import FrameWatch
from dp_ros.data import pictures
from dp_ros.data.bag import BagError, open_bag
from dp_ros.data.bag_recording import RecordedTopic, Recording
from dp_ros.data.bag_repair import repair
from dp_ros.data.bag_writer import TYPES, BagWriter
from dp_ros.data.episode import Frames
from dp_ros.data.frame_codec import make_codec
from dp_ros.data.frame_codec_h264 import KEY_FRAME_PERIOD_NS, VideoDecoder
from dp_ros.data.messages import MessageError, nanoseconds
from dp_ros.data.stream_inputs import JPEG_IMAGE, RAW_IMAGE
from tests.data.image_messages import image, moving

TOPIC = '/overhead/color/image_raw'
ENCODED = [Frames.jpeg, Frames.h264]
PERIOD_NS = 50_000_000


def codec(kind):
    return make_codec(kind, TOPIC, 90, 18)


def recorded(folder, kind, frames, encoding='rgb8'):
    topic = RecordedTopic(TOPIC, RAW_IMAGE, codec=codec(kind))
    recording = Recording(folder, (topic,))
    for i, rgb in enumerate(frames):
        recording.put(TOPIC, 1_000 + i, image(rgb, PERIOD_NS * i, encoding))
    recording.close()
    return recording


def decibels(a, b):
    """Peak signal to noise ratio."""
    return 10 * np.log10(255**2 / np.square(a.astype(float) - b).mean())


def test_raw_needs_no_codec():
    assert codec(Frames.raw) is None


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
@pytest.mark.parametrize('kind', ENCODED)
def test_frames_come_back_by_stamp_and_close_to_what_they_were(tmp_path, kind, encoding):
    frames = list(moving(33))
    order = slice(None, None, -1 if encoding == 'bgr8' else 1)
    recording = recorded(tmp_path / 'bag', kind, [f[..., order] for f in frames], encoding)
    assert not recording.dropped
    with open_bag(tmp_path / 'bag') as bag:
        topic = TOPIC if kind == Frames.h264 else f'{TOPIC}/compressed'
        assert bag.topics == {topic: RAW_IMAGE if kind == Frames.h264 else JPEG_IMAGE}
        assert bag.counts == recording.counts == {topic: len(frames)}
        found = list(bag.messages({topic}))
    assert [m.received_ns for m in found] == [1_000 + i for i in range(len(frames))]
    messages = [m.message() for m in found]
    stamps = [nanoseconds(m.header.stamp) for m in messages]
    assert stamps == [PERIOD_NS * i for i in range(len(frames))]
    assert {m.header.frame_id for m in messages} == {'camera_color_optical_frame'}
    worst = min(decibels(a, pictures.array(b)) for a, b in zip(frames, messages, strict=True))
    assert worst > 33


@pytest.mark.parametrize('kind', ENCODED)
def test_a_file_is_a_fraction_of_the_raw_frames(tmp_path, kind):
    frames = list(moving(30))
    size = {}
    for k in (Frames.raw, kind):
        folder = recorded(tmp_path / k.value, k, frames).folder
        size[k] = (folder / f'{k.value}.mcap').stat().st_size
    assert size[kind] < size[Frames.raw] / 6


@pytest.mark.parametrize('kind', ENCODED)
def test_a_killed_recording_keeps_its_frames(tmp_path, kind):
    encode = codec(kind)
    writer = BagWriter(tmp_path / 'bag')
    writer.add_topic(*encode.stored)
    for i, rgb in enumerate(moving(20)):
        writer.write(encode.stored[0], i, encode.encode(image(rgb, i)))
    writer.flush()
    writer.abort()
    repair(tmp_path / 'bag')
    with open_bag(tmp_path / 'bag') as bag:
        assert len([m.message() for m in bag.messages({encode.shown})]) == 20


def test_a_video_in_the_file_keeps_the_rules_of_its_format():
    encode = codec(Frames.h264)
    units = [
        TYPES.deserialize_cdr(encode.encode(image(rgb, PERIOD_NS * i)), encode.stored[1])
        for i, rgb in enumerate(moving(30))
    ]
    assert encode.stored == (f'{TOPIC}/video', 'foxglove_msgs/msg/CompressedVideo')
    assert {unit.format for unit in units} == {'h264'}
    # ITU-T H.264, table 7-1: 7 and 8 are parameter sets, 5 is a slice of a key frame.
    kinds = [{part[0] & 31 for part in bytes(u.data).split(b'\0\0\1')[1:]} for u in units]
    keys = [i for i, found in enumerate(kinds) if 5 in found]
    period = KEY_FRAME_PERIOD_NS // PERIOD_NS
    assert keys == [0, period, 2 * period]
    assert all({7, 8} <= kinds[i] for i in keys)


def test_a_camera_before_which_nothing_moves_does_not_look_frozen():
    (still,) = moving(1)
    rng = np.random.default_rng(1)
    encode, decoder, watch = codec(Frames.h264), VideoDecoder(), FrameWatch()
    for i in range(40):
        rgb = np.clip(still + rng.normal(0, 1, still.shape), 0, 255).astype(np.uint8)
        stamp_ns = 2 * PERIOD_NS * i
        frame = decoder.decode(encode.encode(image(rgb, stamp_ns)))
        assert watch.look(stamp_ns, zlib.crc32(frame[64:]), 128) is None


def test_the_file_carries_the_definition_of_its_video(tmp_path):
    folder = recorded(tmp_path / 'bag', Frames.h264, moving(3)).folder
    with (folder / 'bag.mcap').open('rb') as file:
        ((schema, channel, _), *_) = make_reader(file).iter_messages()
    assert (channel.topic, channel.message_encoding) == (f'{TOPIC}/video', 'cdr')
    assert (schema.name, schema.encoding) == ('foxglove_msgs/msg/CompressedVideo', 'ros2msg')
    assert 'uint8[] data' in schema.data.decode()
    assert 'MSG: builtin_interfaces/Time' in schema.data.decode()


def test_frames_that_cannot_be_encoded_are_counted_and_named(tmp_path):
    frames = [*moving(3), *moving(2, width=80), *moving(1)]
    recording = recorded(tmp_path / 'bag', Frames.h264, frames)
    assert recording.dropped == {TOPIC: 2}
    assert 'expected frames of 160 x 120 pixels, found 80 x 120' in recording.fault
    assert not recording.error
    with open_bag(tmp_path / 'bag') as bag:
        assert len(list(bag.messages())) == 4


@pytest.mark.parametrize(
    ('kind', 'cdr', 'told'),
    [
        (Frames.h264, image(np.zeros((30, 41, 3), np.uint8)), 'needs even sizes, found 41 x 30'),
        (Frames.h264, image(np.zeros((30, 40, 2), np.uint8), encoding='16UC1'), '16UC1'),
        (Frames.jpeg, image(np.zeros((30, 40, 2), np.uint8), encoding='16UC1'), '16UC1'),
    ],
)
def test_a_frame_that_no_codec_takes_is_a_sentence(kind, cdr, told):
    with pytest.raises(MessageError, match=told):
        codec(kind).encode(cdr)


def test_a_video_without_its_beginning_is_refused():
    encode = codec(Frames.h264)
    units = [encode.encode(image(rgb)) for rgb in moving(3)]
    with pytest.raises(MessageError):
        VideoDecoder().decode(units[1])


def test_a_bag_whose_video_is_damaged_is_a_sentence(tmp_path):
    encode = codec(Frames.h264)
    writer = BagWriter(tmp_path / 'bag')
    writer.add_topic(*encode.stored)
    units = [encode.encode(image(rgb)) for rgb in moving(3)]
    for i, unit in enumerate(units[1:]):
        writer.write(encode.stored[0], i, unit)
    writer.close()
    with open_bag(tmp_path / 'bag') as bag, pytest.raises(BagError, match='cannot be read'):
        list(bag.messages())
