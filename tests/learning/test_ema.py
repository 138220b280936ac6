import pytest
import torch
from diffusers.training_utils import EMAModel
from torch import nn

from dp_ros.learning.ema import ExponentialMovingAverage


def oracle(model):
    return EMAModel(model.parameters(), decay=0.99, use_ema_warmup=True, inv_gamma=1.0, power=0.75)


def test_decay_is_the_power_schedule_of_diffusers():
    model = nn.Linear(1, 1)
    ours, theirs = ExponentialMovingAverage(model, 0.75, 0.99), oracle(model)
    for step in range(2000):
        # diffusers counts from 1 and subtracts one.
        assert ours.decay(step) == pytest.approx(theirs.get_decay(step + 1), abs=1e-12)
    assert ours.decay(10**9) == 0.99


def test_the_averages_are_those_of_diffusers():
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    ours, theirs = ExponentialMovingAverage(model, 0.75, 0.99), oracle(model)
    for step in range(50):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += torch.randn_like(parameter)
        ours.update(model, step)
        theirs.step(model.parameters())
    for mine, other in zip(ours.model.parameters(), theirs.shadow_params, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5)
        assert not mine.requires_grad


def test_buffers_are_copied_not_averaged():
    model = nn.BatchNorm1d(2)
    average = ExponentialMovingAverage(model, 0.75, 0.99)
    model.running_mean.fill_(3.0)
    average.update(model, 1000)
    assert torch.equal(average.model.running_mean, model.running_mean)
