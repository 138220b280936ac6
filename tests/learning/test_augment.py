import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.learning.augment import augment, centre_crop, crop_size


@pytest.fixture
def coordinates():
    """Images (16, 3, 20, 24) whose channels 0 and 1 are the row and the column of each pixel."""
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(24), indexing='ij')
    image = torch.stack([rows, columns, torch.full_like(rows, 200)]).to(torch.uint8)
    return image.repeat(16, 1, 1, 1)


@given(st.integers(8, 400), st.integers(8, 400), st.floats(0.5, 1))
def test_a_crop_keeps_its_share_of_each_side(width, height, share):
    found = crop_size((width, height), share)
    assert found == (round(width * share), round(height * share))
    assert crop_size((width, height), 1.0) == (width, height)


def test_the_centre_is_as_far_from_one_edge_as_from_the_other(coordinates):
    centre = centre_crop(coordinates, (20, 16))
    assert centre.shape == (16, 3, 16, 20)
    assert (centre[0, 0, 0, 0], centre[0, 0, -1, 0]) == (2, 17)  # rows 0..19
    assert (centre[0, 1, 0, 0], centre[0, 1, 0, -1]) == (2, 21)  # columns 0..23


def test_each_image_is_cropped_elsewhere_and_no_crop_leaves_it(coordinates):
    torch.manual_seed(0)
    cropped = augment(coordinates, (20, 16), 0.0)
    assert cropped.shape == (16, 3, 16, 20)
    pixels = (cropped * 255).round()
    tops, lefts = pixels[:, 0, 0, 0], pixels[:, 1, 0, 0]
    assert 0 <= tops.min() < tops.max() <= 4
    assert 0 <= lefts.min() < lefts.max() <= 4
    for image, top, left in zip(pixels, tops, lefts, strict=True):
        assert torch.equal(image[0, :, 0], top + torch.arange(16))
        assert torch.equal(image[1, 0], left + torch.arange(20))


def test_the_whole_image_is_left_as_it_is_where_nothing_is_cropped(coordinates):
    assert torch.equal(augment(coordinates, (24, 20), 0.0), coordinates.float().div(255))


def test_brightness_changes_each_image_by_one_factor_a_channel_within_its_bound(coordinates):
    torch.manual_seed(0)
    brightness = 0.2
    changed = augment(coordinates, (24, 20), brightness)
    factors = changed[:, 2] / (200 / 255)  # (16, 20, 24)
    torch.testing.assert_close(factors, factors[:, :1, :1].expand_as(factors))
    one = factors[:, 0, 0]
    assert one.max() <= (1 + brightness) * (1 + brightness / 2)
    assert one.min() >= (1 - brightness) * (1 - brightness / 2)
    assert one.std() > 0.05
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_the_same_seed_gives_the_same_view(coordinates):
    views = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        views.append(augment(coordinates, (20, 16), 0.1))
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
