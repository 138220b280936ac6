import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dp_ros.learning.vision_parts import (
    SmallBackbone,
    SpatialSoftmax,
    group_norm,
    replace_modules,
)


@given(st.integers(2, 20), st.integers(2, 20), st.data())
def test_a_single_hot_pixel_is_where_the_spatial_softmax_points(height, width, data):
    row = data.draw(st.integers(0, height - 1))
    column = data.draw(st.integers(0, width - 1))
    maps = torch.zeros(1, 2, height, width)
    maps[0, 0, row, column] = 100.0
    x, flat_x, y, flat_y = SpatialSoftmax()(maps)[0]
    torch.testing.assert_close(x, torch.tensor(2 * column / (width - 1) - 1), atol=1e-4, rtol=0)
    torch.testing.assert_close(y, torch.tensor(2 * row / (height - 1) - 1), atol=1e-4, rtol=0)
    # A map that is equal everywhere points at the middle.
    assert abs(flat_x) < 1e-5
    assert abs(flat_y) < 1e-5


def test_two_equal_peaks_are_met_half_way():
    maps = torch.zeros(1, 1, 5, 9)
    maps[0, 0, 0, 0] = maps[0, 0, 4, 4] = 100.0
    torch.testing.assert_close(SpatialSoftmax()(maps), torch.tensor([[-0.5, 0.0]]))


def test_a_brighter_map_everywhere_points_to_the_same_place():
    maps = torch.randn(3, 4, 6, 7)
    softmax = SpatialSoftmax()
    torch.testing.assert_close(softmax(maps + 50), softmax(maps))


@pytest.mark.parametrize(('channels', 'groups'), [(8, 1), (16, 1), (64, 4), (512, 32)])
def test_groups_have_sixteen_channels(channels, groups):
    assert group_norm(channels).num_groups == groups


def test_every_module_of_a_kind_is_replaced_at_any_depth():
    network = nn.Sequential(
        nn.BatchNorm2d(4), nn.Sequential(nn.Conv2d(4, 32, 1), nn.BatchNorm2d(32))
    )
    convolution = network[1][0]
    replace_modules(network, nn.BatchNorm2d, lambda old: group_norm(old.num_features))
    assert not [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [m.num_channels for m in network.modules() if isinstance(m, nn.GroupNorm)] == [4, 32]
    assert network[1][0] is convolution


@pytest.mark.parametrize('size', [(90, 132), (60, 80), (48, 48)])
def test_the_small_backbone_keeps_a_quarter_of_the_resolution(size):
    maps = SmallBackbone()(torch.rand(2, 3, *size))
    assert maps.shape == (2, 32, -(-size[0] // 4), -(-size[1] // 4))
