"""The example that draws digits with the parts of a policy."""

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from examples import digits, digits_picture, noising_picture
from examples.digits import Digits

torch.set_num_threads(1)


@pytest.fixture(scope='module')
def real():
    return Digits.real()


@pytest.fixture(scope='module')
def denoiser(real):
    """Far from done, but it has begun to tell the classes apart."""
    return digits.train(real[0], steps=300, batch=64)


def test_the_judge_knows_real_digits_and_has_not_seen_those_held_out(real):
    known, held_out = real
    assert (len(known), len(held_out)) == (1497, 300)
    assert known.images.min() == -1
    assert known.images.max() == 1
    assert digits.Judge(known).share(held_out) > 0.97
    assert digits.nearest(known.images[:5], known) == 0
    assert digits.nearest(held_out.images, known) > 1


def test_the_share_of_the_asked_class_rises_with_the_weight_of_guidance(real, denoiser):
    judge, classes = digits.Judge(real[0]), torch.arange(10).repeat_interleave(10)
    shares = [
        judge.share(Digits(digits.generate(denoiser, classes, weight, seed=0), classes))
        for weight in (0.0, 1.0, 3.0)
    ]
    assert shares[0] < 0.25, 'without guidance the class cannot be known'
    assert shares[0] + 0.15 < shares[1] < shares[2]
    assert shares[2] > 0.5


def test_the_same_noise_gives_the_same_digits(denoiser):
    classes = torch.arange(10)
    first = digits.generate(denoiser, classes, 2.0, seed=3)
    assert torch.equal(first, digits.generate(denoiser, classes, 2.0, seed=3))
    assert not torch.equal(first, digits.generate(denoiser, classes, 2.0, seed=4))
    assert first.shape == (10, 8, 8)
    assert first.abs().max() <= 1


def test_both_pictures_are_drawn(real, denoiser, tmp_path):
    digits_picture.draw(denoiser, tmp_path / 'digits.png')
    noising_picture.draw(real[0].images[0], tmp_path / 'noising.png')
    for name in ('digits', 'noising'):
        picture = imread(tmp_path / f'{name}.png')
        assert np.ptp(picture[..., :3]) > 0.9
        assert min(picture.shape[:2]) > 300
