"""The noise of an image sensor."""

import itertools

import numpy as np

from dp_ros.sim.sensor_noise import SIGMA_LEVELS, SensorNoise

SHAPE = (48, 64, 3)
GREY = np.full(SHAPE, 128, np.uint8)


def test_it_is_small_and_without_a_bias():
    noise = SensorNoise(SHAPE, seed=1)
    difference = np.stack([noise(GREY) for _ in range(20)]).astype(float) - 128
    assert abs(difference.mean()) < 0.05
    # Rounding adds a variance of 1/12.
    assert abs(difference.std() - np.hypot(SIGMA_LEVELS, 12**-0.5)) < 0.1


def test_frames_never_repeat_and_equal_seeds_give_equal_noise():
    one, same, other = SensorNoise(SHAPE, 7), SensorNoise(SHAPE, 7), SensorNoise(SHAPE, 8)
    frames = [one(GREY) for _ in range(50)]
    for before, after in itertools.pairwise(frames):
        assert np.mean(before != after) > 0.5
    np.testing.assert_array_equal(frames, [same(GREY) for _ in range(50)])
    assert np.any(frames[0] != other(GREY))


def test_it_saturates_and_leaves_the_frame_alone():
    noise = SensorNoise(SHAPE, 3)
    black, white = np.zeros(SHAPE, np.uint8), np.full(SHAPE, 255, np.uint8)
    assert noise(black).max() < 20
    assert noise(white).min() > 235
    assert not black.any()
    assert noise(black).flags['C_CONTIGUOUS']
