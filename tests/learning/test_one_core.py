"""Networks in the form for one core are the same functions."""

import pytest
import torch
from torch import nn

from dp_ros.learning.folded_attention import by_folding
from dp_ros.learning.guidance import ClassifierFree
from dp_ros.learning.inpainting import InpaintingUnet1D
from dp_ros.learning.local_conditioning import LocalUnet1D
from dp_ros.learning.mlp import MLPDenoiser
from dp_ros.learning.plain_mish import mish
from dp_ros.learning.rows import by_rows
from dp_ros.learning.transformer import TransformerDenoiser
from dp_ros.learning.unet import ConditionalUnet1D

SIZES = {'widths': (8, 16, 32), 'step_embedding': 8, 'groups': 4}
UNETS = {
    'global': lambda: ConditionalUnet1D(2, 6, **SIZES),
    'mask': lambda: ConditionalUnet1D(2, 6, **SIZES, mask=True),
    'kernel-3': lambda: ConditionalUnet1D(2, 6, **SIZES, kernel=3),
    'local': lambda: LocalUnet1D(2, 8, 6, 2, **SIZES),
    'inpainting': lambda: InpaintingUnet1D(2, 6, 2, **SIZES),
}
OTHERS = {
    'mlp': lambda: MLPDenoiser(2, 8, 6, width=16, blocks=2, step_embedding=8),
    'transformer': lambda: TransformerDenoiser(2, 8, 6, 2, width=16, layers=2, heads=2),
    'transformer-encoder': lambda: TransformerDenoiser(
        2, 8, 6, 2, width=16, layers=2, heads=2, condition_layers=1
    ),
}


def made(make):
    torch.manual_seed(0)
    network = make().eval()
    for norm in (m for m in network.modules() if isinstance(m, nn.GroupNorm)):
        nn.init.normal_(norm.weight, 1, 0.3)
        nn.init.normal_(norm.bias, 0, 0.3)
    return network


def inputs(name, network):
    width = {'mask': 3, 'inpainting': 2 + 3}.get(name, 2)
    return torch.randn(3, 8, width), torch.tensor([0, 50, 99]), torch.randn(3, 6)


@pytest.mark.parametrize('name', UNETS)
@torch.no_grad()
def test_a_unet_by_rows_is_the_same_function(name):
    network = made(UNETS[name])
    noisy, steps, condition = inputs(name, network)
    expected, rows = network(noisy, steps, condition), by_rows(network)
    torch.testing.assert_close(rows(noisy, steps, condition), expected, atol=1e-5, rtol=0)
    # The network that it was made from is what it was.
    torch.testing.assert_close(network(noisy, steps, condition), expected, atol=0, rtol=0)
    assert not [p for p in rows.parameters() if p.requires_grad]


@pytest.mark.parametrize('name', [name for name in OTHERS if 'transformer' in name])
@torch.no_grad()
def test_folded_attention_is_the_same_function(name):
    network = made(OTHERS[name])
    nn.init.normal_(network.blocks[0].attend_memory.query.bias)
    noisy, steps, condition = inputs(name, network)
    expected, folded = network(noisy, steps, condition), by_folding(network)
    torch.testing.assert_close(folded(noisy, steps, condition), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(network(noisy, steps, condition), expected, atol=0, rtol=0)
    assert not [p for p in folded.parameters() if p.requires_grad]


@pytest.mark.parametrize('name', [*UNETS, *OTHERS])
@torch.no_grad()
def test_one_condition_stands_for_that_of_every_step(name):
    network = made((UNETS | OTHERS)[name])
    noisy, steps, condition = inputs(name, network)
    expected = network(noisy, steps, condition[:1].expand(3, -1))
    found = network.step(noisy, network.prepare(network.embed(steps), condition[:1]))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize('name', [*UNETS, *OTHERS])
@torch.no_grad()
def test_guidance_step_by_step_is_guidance(name):
    network = made((UNETS | OTHERS)[name])
    noisy, steps, condition = inputs(name, network)
    guided = ClassifierFree(network, 2.0)
    expected = guided(noisy, steps, condition)
    found = guided.step(noisy, guided.prepare(guided.embed(steps), condition))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_mish_is_mish_even_far_out():
    x = torch.cat([torch.linspace(-30, 30, 1001), torch.tensor([-1e4, 1e4, 0.0])])
    torch.testing.assert_close(mish(x), nn.functional.mish(x), atol=1e-6, rtol=1e-6)
