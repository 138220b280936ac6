"""Both loops learn from the same windows, and waiting is counted."""

import numpy as np
import pytest

from benchmarks import training
from benchmarks.reference_training import ReplayDataset
from dp_ros.data.replay_buffer import Episode
from dp_ros.data.windows import sample_windows
from dp_ros.task import Horizons


def test_the_reference_sees_the_windows_that_we_see():
    rng, horizons = np.random.default_rng(0), Horizons(observation=2, prediction=16, action=8)
    episodes, start = [], 0
    for length in (30, 41):
        state, action = (rng.normal(size=(length, n)).astype('f4') for n in (3, 2))
        episodes.append(Episode(state, action, start=start))
        start += length
    frames = {'camera': rng.integers(0, 256, (start, 4, 5, 3), np.uint8)}
    ours = sample_windows(episodes, horizons)
    theirs = ReplayDataset(episodes, frames, horizons)
    assert len(theirs) == len(ours)
    for index in range(len(ours)):
        window = theirs[index]
        np.testing.assert_array_equal(window['state'], ours.observations[index])
        np.testing.assert_array_equal(window['action'], ours.actions[index])
        seen = np.moveaxis(frames['camera'][ours.steps[index]], -1, 1)
        np.testing.assert_allclose(window['camera'] * 255, seen, rtol=1e-6)


def test_the_first_steps_do_not_count():
    steps = training.Steps(seconds=0.0)
    for _ in range(training.FORGOTTEN):
        steps.add(1.0, 1.0)
    with pytest.raises(training.Enough):
        steps.add(1.0, 0.25)
    assert steps.share_waited == 0.25
