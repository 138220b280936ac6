"""Windows against the paper's own sampler, written here once more in its plainest form."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dp_ros.data import windows
from dp_ros.data.replay_buffer import DatasetError, Episode
from dp_ros.task import Horizons


def episode(length, offset=0):
    """Every row is its own index, so that a window says where it came from."""
    index = np.arange(length, dtype=np.float32)[:, None] + offset
    return Episode(np.repeat(index, 3, axis=1), index * 10)


def papers_windows(length, sequence, observed, executed):
    """SequenceSampler of Chi et al. (common/sampler.py), step by step.

    A sequence of `sequence` steps may begin up to T_o - 1 steps before the episode and end up to
    T_a - 1 after it; what lies outside repeats the edge. The policy sees its first T_o states.
    """
    found = []
    for begin in range(-(observed - 1), length - sequence + executed - 1 + 1):
        rows = [min(max(begin + i, 0), length - 1) for i in range(sequence)]
        found.append((rows[:observed], rows))
    return found


horizons = st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 8)).filter(
    lambda h: h[1] - (h[0] - 1) >= h[2]
)


@given(horizons, st.integers(1, 30))
def test_windows_are_those_of_the_papers_sampler(sizes, length):
    observed, predicted, executed = sizes
    wanted = papers_windows(length, predicted, observed, executed)
    assume(wanted)  # the paper drops an episode this short; here it still gives one window
    made = windows.sample_windows(
        [episode(length)],
        Horizons(observation=observed, prediction=predicted, action=executed, first=1 - observed),
    )
    seen, done = made.observations[:, :, 0], made.actions[:, :, 0] / 10
    np.testing.assert_array_equal(seen, [w[0] for w in wanted])
    np.testing.assert_array_equal(done, [w[1] for w in wanted])
    states = np.concatenate([seen, made.later[:, :, 0]], axis=1)
    np.testing.assert_array_equal(states, [w[1] for w in wanted])


def test_an_episode_shorter_than_a_window_gives_one_at_its_start():
    made = windows.sample_windows([episode(2)], Horizons(observation=2, prediction=16, action=8))
    assert made.observations[:, :, 0].tolist() == [[0, 0]]
    assert made.actions[0, :, 0].tolist() == [0, 0, *[10] * 14]


def test_windows_do_not_reach_into_the_next_episode():
    made = windows.sample_windows(
        [episode(20), episode(25, offset=100)], Horizons(observation=2, prediction=16, action=8)
    )
    for seen, done in zip(made.observations[:, :, 0], made.actions[:, :, 0] / 10, strict=True):
        assert len({bool(row >= 100) for row in [*seen, *done]}) == 1


def test_first_moves_the_actions_against_the_window():
    sizes = Horizons(observation=5, prediction=16, action=8, first=-1)
    made = windows.sample_windows([episode(81)], sizes)
    row = 30
    assert made.observations[row, :, 0].tolist() == [26, 27, 28, 29, 30]
    assert made.actions[row, :, 0].tolist() == [10 * i for i in range(29, 45)]


@given(st.integers(2, 40), st.floats(0.01, 0.89), st.integers(0, 5))
def test_the_split_is_of_whole_episodes_disjoint_and_the_same_each_time(count, fraction, seed):
    episodes = [episode(1, offset=i) for i in range(count)]
    training, validation = windows.split_episodes(episodes, fraction, seed)
    assert training
    assert validation
    first, second = ({int(e.state[0, 0]) for e in part} for part in (training, validation))
    assert first.isdisjoint(second)
    assert first | second == set(range(count))
    again = windows.split_episodes(episodes, fraction, seed)
    assert again == (training, validation)


def test_the_split_depends_on_the_seed():
    episodes = [episode(1, offset=i) for i in range(40)]
    held_out = [windows.split_episodes(episodes, 0.1, seed)[1] for seed in range(5)]
    assert len({tuple(e.state[0, 0] for e in part) for part in held_out}) > 1


def test_a_single_episode_cannot_be_split():
    with pytest.raises(DatasetError, match='1 episode cannot be split'):
        windows.split_episodes([episode(9)], 0.1, 0)
