import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.data.align import align_to_goal
from dp_ros.data.replay_buffer import DatasetError, Episode

GOAL = np.array([256.0, 256.0, np.pi / 4])


def recording(seed):
    rng = np.random.default_rng(seed)
    state = rng.uniform(0, 512, (12, 5))
    state[:, 4] = rng.uniform(-np.pi, np.pi, 12)
    return Episode(state.astype(np.float32), rng.uniform(0, 512, (12, 2)).astype(np.float32))


def relative(episode):
    """Tip and action as the block sees them."""
    tip, block, yaw = episode.state[:, :2], episode.state[:, 2:4], episode.state[:, 4]
    cosine, sine = np.cos(yaw), np.sin(yaw)
    into = np.stack([np.stack([cosine, sine], -1), np.stack([-sine, cosine], -1)], -2)
    return [(into @ (points - block)[..., None])[..., 0] for points in (tip, episode.action)]


@given(st.integers(0, 10_000))
def test_the_last_block_pose_becomes_the_goal_and_the_relative_geometry_stays(seed):
    before = recording(seed)
    after = align_to_goal(before, before.state[-1, 2:].astype(float), GOAL)
    np.testing.assert_allclose(after.state[-1, 2:], GOAL, atol=1e-3)
    for mine, other in zip(relative(before), relative(after), strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-3)
    np.testing.assert_allclose(np.diff(after.state[:, 4]), np.diff(before.state[:, 4]), atol=1e-5)


def test_an_episode_that_ends_on_the_goal_stays_as_it_is():
    before = recording(0)
    after = align_to_goal(before, GOAL, GOAL)
    np.testing.assert_allclose(after.state, before.state, atol=1e-3)
    np.testing.assert_allclose(after.action, before.action, atol=1e-3)


def test_other_columns_are_a_sentence():
    odd = Episode(np.zeros((3, 4), np.float32), np.zeros((3, 2), np.float32))
    with pytest.raises(DatasetError, match='found 4 and 2 columns'):
        align_to_goal(odd, GOAL, GOAL)
