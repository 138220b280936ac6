import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dp_ros.learning.features import BlockFrame, Plain, feature_map
from dp_ros.learning.normalizer import MinMaxNormalizer
from dp_ros.learning.recipe import BlockFrameFeatures, PlainFeatures

numbers = st.floats(-1000, 1000, width=32)
tables = hnp.arrays(np.float32, (7, 3), elements=numbers)
seeds = st.integers(0, 2**32 - 1)
angles, shifts = st.floats(-np.pi, np.pi), st.floats(-2, 2)
GOAL = (0.46, 0.1, np.pi / 4)


@given(tables)
def test_normalising_is_undone_and_the_data_lies_in_minus_one_to_one(table):
    data = torch.from_numpy(table)
    normalizer = MinMaxNormalizer(3)
    normalizer.fit(data)
    small = normalizer.normalize(data)
    assert small.abs().max() <= 1 + 1e-4
    scale = float(data.abs().max()) + 1e-6
    torch.testing.assert_close(normalizer.denormalize(small), data, atol=3e-6 * scale, rtol=1e-5)


def test_the_extremes_of_the_data_map_to_the_ends():
    normalizer = MinMaxNormalizer(2)
    normalizer.fit(torch.tensor([[0.0, -5.0], [10.0, 5.0], [2.0, 0.0]]))
    ends = normalizer.normalize(torch.tensor([[0.0, -5.0], [10.0, 5.0]]))
    torch.testing.assert_close(ends, torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))


@pytest.mark.parametrize('constant', [0.0, 7.25, -1000.1])
def test_a_number_that_never_varied_becomes_zero_and_comes_back(constant):
    data = torch.stack([torch.full((5,), constant), torch.arange(5.0)], dim=1)
    normalizer = MinMaxNormalizer(2)
    normalizer.fit(data)
    assert bool((normalizer.normalize(data)[:, 0] == 0).all())
    whatever = normalizer.denormalize(torch.randn(9, 2))
    torch.testing.assert_close(whatever[:, 0], torch.full((9,), constant))


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_data_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match='NaN or infinite'):
        MinMaxNormalizer(1).fit(torch.tensor([[0.0], [bad]]))


def scene(seed):
    """Observations (3, 2, 5) as tip, block, yaw and actions (3, 8, 2)."""
    rng = np.random.default_rng(seed)
    positions = rng.uniform(-1, 1, (3, 2, 4))
    yaw = rng.uniform(-np.pi, np.pi, (3, 2, 1))
    actions = rng.uniform(-1, 1, (3, 8, 2))
    return torch.from_numpy(np.concatenate([positions, yaw], axis=-1)), torch.from_numpy(actions)


@given(seeds)
def test_actions_in_the_blocks_frame_and_back(seed):
    observations, actions = scene(seed)
    features = BlockFrame(GOAL, 0.06)
    there = features.encode(observations, actions)
    back = features.decode(observations, there)
    torch.testing.assert_close(back, actions, atol=1e-12, rtol=0)
    again = features.encode(observations, features.decode(observations, actions))
    torch.testing.assert_close(again, actions, atol=1e-12, rtol=0)


@given(seeds, angles, shifts, shifts)
def test_turning_and_shifting_everything_together_changes_nothing(seed, angle, x, y):
    observations, actions = scene(seed)
    turn = torch.tensor(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=torch.float64
    )
    shift = torch.tensor([x, y], dtype=torch.float64)

    def moved(points):
        return points @ turn.T + shift

    tip, block, yaw = observations[..., :2], observations[..., 2:4], observations[..., 4:]
    elsewhere = torch.cat([moved(tip), moved(block), yaw + angle], dim=-1)
    place = moved(torch.tensor(GOAL[:2], dtype=torch.float64))
    here = BlockFrame(GOAL, 0.06)
    there = BlockFrame((float(place[0]), float(place[1]), GOAL[2] + angle), 0.06)
    # The goal is kept in single precision.
    torch.testing.assert_close(
        there.observation(elsewhere), here.observation(observations), atol=3e-5, rtol=0
    )
    torch.testing.assert_close(
        there.encode(elsewhere, moved(actions)), here.encode(observations, actions)
    )


def test_at_the_goal_the_goal_is_where_the_block_is():
    observation = torch.tensor([[[0.5, 0.1, *GOAL]]])
    seen = BlockFrame(GOAL, 0.06).observation(observation)[0, 0]
    torch.testing.assert_close(seen[2:4], torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen[4:7], torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)


def test_a_recipe_names_its_features():
    assert isinstance(feature_map(PlainFeatures(kind='plain')), Plain)
    named = feature_map(BlockFrameFeatures(kind='block_frame', goal=GOAL, fine=0.06))
    assert isinstance(named, BlockFrame)
    assert named.fine == 0.06
