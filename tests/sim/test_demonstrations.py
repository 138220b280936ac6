"""Which starts are demonstrated."""

import itertools

import numpy as np
import pytest

from dp_ros.sim.demonstrations import starts
from dp_ros.sim.pusht import block_outline, sample_start


def nearest_m(seed):
    block = sample_start(np.random.default_rng(seed)).block
    return block_outline(np.array(block))[:, 0].min()


def test_starts_follow_each_other_and_may_all_be_near():
    assert list(itertools.islice(starts(7), 3)) == [7, 8, 9]
    near = list(itertools.islice(starts(0, 0.3), 20))
    assert near == [seed for seed in range(near[-1] + 1) if nearest_m(seed) < 0.3]
    assert len(near) < near[-1]


def test_near_is_a_word_of_one_task(fails, tmp_path):
    said = fails('dataset', 'generate', 'two_arcs', '-o', tmp_path / 'a', '--near-m', '0.3')
    assert said == '--near-m is for starts of pusht_cell, not of two_arcs'


@pytest.mark.parametrize('episodes', [2])
def test_episodes_from_near_starts_are_near(dp_ros, tmp_path, episodes):
    from dp_ros.data import replay_buffer

    out = tmp_path / 'near.zarr'
    given = ('--episodes', episodes, '--near-m', 0.28, '--workers', 1)
    code, said = dp_ros('dataset', 'generate', 'pusht_cell', '-o', out, *given)
    assert code == 0, said
    for episode in replay_buffer.read(out):
        assert block_outline(episode.state[0, 2:])[:, 0].min() < 0.281
