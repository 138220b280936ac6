"""The U-Net's form: shapes, sizes, and what changes its output."""

import pytest
import torch

from dp_ros.learning.unet import ConditionalUnet1D


def small():
    return ConditionalUnet1D(2, 6, widths=(8, 16, 32), step_embedding=8, kernel=3, groups=4)


def inputs(batch=3):
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(batch, 16, 2, generator=generator)
    return noisy, torch.tensor([0, 50, 99])[:batch], torch.randn(batch, 6, generator=generator)


@pytest.mark.parametrize('horizon', [4, 8, 16, 32])
def test_output_has_the_shape_of_the_noisy_actions(horizon):
    network = small()
    output = network(torch.randn(5, horizon, 2), torch.arange(5), torch.randn(5, 6))
    assert output.shape == (5, horizon, 2)


def test_the_papers_state_network_has_its_66_million_parameters():
    with torch.device('meta'):
        network = ConditionalUnet1D(2, 2 * 20, (256, 512, 1024), step_embedding=256)
    count = sum(p.numel() for p in network.parameters())
    assert 64e6 < count < 68e6


@pytest.mark.parametrize('which', ['steps', 'condition'])
def test_film_lets_step_and_observation_change_the_output(which):
    torch.manual_seed(0)
    network = small()
    noisy, steps, condition = inputs()
    other = (steps + 5, condition) if which == 'steps' else (steps, condition + 1)
    change = network(noisy, *other) - network(noisy, steps, condition)
    assert change.abs().max() > 1e-3


def test_a_row_does_not_see_the_other_rows():
    torch.manual_seed(0)
    network = small()
    noisy, steps, condition = inputs()
    together = network(noisy, steps, condition)[1]
    alone = network(noisy[1:2], steps[1:2], condition[1:2])[0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_gradients_reach_every_weight_and_the_condition():
    torch.manual_seed(0)
    network = small()
    noisy, steps, condition = inputs()
    condition.requires_grad_()
    network(noisy, steps, condition).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
    assert bool((condition.grad.abs().amax(dim=0) > 0).all())
