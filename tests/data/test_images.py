"""What a policy sees of a frame."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.data.images import prepare
from dp_ros.task import ImageStream


def stream(width, height, size, crop=None):
    return ImageStream(
        type='image', name='overhead', width=width, height=height, crop=crop, size=size
    )


def noise(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@st.composite
def crops(draw):
    """(frame width, frame height, crop) with the crop inside."""
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    crop = (left, top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top)))
    return width, height, crop


@given(crops(), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_a_crop_that_is_not_resampled_is_the_frames_own_pixels(drawn, seed):
    width, height, crop = drawn
    left, top, wide, high = crop
    frame = noise(width, height, seed)
    seen = prepare(frame, stream(width, height, (wide, high), crop))
    np.testing.assert_array_equal(seen, frame[top : top + high, left : left + wide])


@given(crops(), st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_the_view_has_the_size_asked_for_and_memory_of_its_own(drawn, wide, high):
    width, height, crop = drawn
    frame = noise(width, height)
    before = frame.copy()
    seen = prepare(frame, stream(width, height, (wide, high), crop))
    assert (seen.shape, seen.dtype) == ((high, wide, 3), np.uint8)
    assert seen.flags.c_contiguous
    assert not np.shares_memory(seen, frame)
    np.testing.assert_array_equal(frame, before)


@given(crops(), st.tuples(st.integers(1, 30), st.integers(1, 30)), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_nothing_outside_the_crop_is_seen(drawn, size, seed):
    width, height, crop = drawn
    left, top, wide, high = crop
    frame, other = noise(width, height, seed), noise(width, height, seed + 1)
    inside = slice(top, top + high), slice(left, left + wide)
    other[inside] = frame[inside]
    asked = stream(width, height, size, crop)
    np.testing.assert_array_equal(prepare(frame, asked), prepare(other, asked))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 8), st.integers(1, 8))
@settings(max_examples=50, deadline=None)
def test_a_pixel_of_the_view_is_the_mean_of_the_block_that_it_covers(fx, fy, wide, high):
    frame = noise(fx * wide, fy * high)
    blocks = frame.reshape(high, fy, wide, fx, 3).astype(float).mean(axis=(1, 3))
    seen = prepare(frame, stream(fx * wide, fy * high, (wide, high)))
    assert np.abs(seen - blocks).max() <= 0.5 + 1e-6


def test_lines_finer_than_a_pixel_become_grey_and_do_not_alias():
    frame = np.zeros((60, 80, 3), np.uint8)
    frame[:, ::2] = 255
    seen = prepare(frame, stream(80, 60, (20, 15)))
    assert set(np.unique(seen)) <= {127, 128}


def test_left_stays_left_and_up_stays_up():
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:24, :32] = 255, 0, 0
    seen = prepare(frame, stream(64, 48, (8, 6)))
    assert (seen[:3, :4] == (255, 0, 0)).all()
    assert not seen[3:].any()
    assert not seen[:, 4:].any()


def test_frames_that_arrive_in_strange_memory_give_the_same_view():
    frame, asked = noise(64, 48), stream(64, 48, (16, 12), (8, 4, 48, 40))
    expected = prepare(frame, asked)
    frozen = frame.copy()
    frozen.flags.writeable = False
    padded = np.zeros((48, 80, 3), np.uint8)
    padded[:, :64] = frame
    for same in (frozen, np.asfortranarray(frame), padded[:, :64]):
        np.testing.assert_array_equal(prepare(same, asked), expected)
    backwards = np.ascontiguousarray(frame[..., ::-1])  # BGR seen as RGB
    np.testing.assert_array_equal(prepare(backwards[..., ::-1], asked), expected)


def test_the_view_does_not_depend_on_the_threads_of_opencv():
    frame, asked = noise(320, 240), stream(320, 240, (132, 90), (28, 60, 264, 180))
    expected = prepare(frame, asked)
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        np.testing.assert_array_equal(prepare(frame, asked), expected)
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize(
    ('shape', 'dtype'),
    [
        ((64, 48, 3), np.uint8),  # width and height swapped
        ((48, 64), np.uint8),
        ((48, 64, 4), np.uint8),
        ((1, 48, 64, 3), np.uint8),
        ((48, 63, 3), np.uint8),
        ((48, 64, 3), np.uint16),
        ((48, 64, 3), np.float32),
    ],
)
def test_a_frame_of_another_shape_or_type_is_refused(shape, dtype):
    with pytest.raises(ValueError, match=r"'overhead': expected uint8 .*\(48, 64, 3\)") as caught:
        prepare(np.zeros(shape, dtype), stream(64, 48, (8, 6)))
    assert str(shape) in str(caught.value)
    assert np.dtype(dtype).name in str(caught.value)
