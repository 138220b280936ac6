"""The output of each denoiser, held against a file.

A file holds weights, inputs and outputs, so that it does not depend on how torch initialises.
After a wanted change write them again: DP_ROS_WRITE_GOLDEN=1 pytest tests/learning/test_golden.py
"""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dp_ros.learning.inpainting import InpaintingUnet1D
from dp_ros.learning.local_conditioning import LocalUnet1D
from dp_ros.learning.mlp import MLPDenoiser
from dp_ros.learning.transformer import TransformerDenoiser
from dp_ros.learning.unet import ConditionalUnet1D

FOLDER = Path(__file__).parent / 'golden'
A, T_P, T_O, C = 2, 16, 2, 6
UNET = {'widths': (8, 16, 32), 'step_embedding': 8, 'kernel': 3, 'groups': 4}
TRANSFORMER = {'width': 16, 'layers': 2, 'heads': 2}
NETWORKS = {
    'unet': lambda: ConditionalUnet1D(A, C, **UNET),
    'unet_local': lambda: LocalUnet1D(A, T_P, C, T_O, **UNET),
    'unet_inpainting': lambda: InpaintingUnet1D(A, C, T_O, **UNET),
    'mlp': lambda: MLPDenoiser(A, T_P, C, width=32, blocks=2, step_embedding=8),
    'transformer': lambda: TransformerDenoiser(A, T_P, C, T_O, **TRANSFORMER),
    'transformer_encoder': lambda: TransformerDenoiser(
        A, T_P, C, T_O, begins=1, condition_layers=1, **TRANSFORMER
    ),
}


def write_golden(name, path):
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    generator = torch.Generator().manual_seed(0)
    denoised = A + C // T_O if name == 'unet_inpainting' else A
    given = {
        'noisy': torch.randn(3, T_P, denoised, generator=generator),
        'steps': torch.tensor([0, 50, 99]),
        'condition': torch.randn(3, C, generator=generator),
    }
    with torch.no_grad():
        output = network(*given.values())
    weights = {f'weights/{k}': v.contiguous() for k, v in network.state_dict().items()}
    save_file(given | {'output': output.contiguous()} | weights, path)


@pytest.mark.parametrize('name', NETWORKS)
def test_the_output_is_the_golden_one(name):
    path = FOLDER / f'{name}.safetensors'
    if os.environ.get('DP_ROS_WRITE_GOLDEN'):
        write_golden(name, path)
    assert path.stat().st_size < 200_000
    stored = load_file(path)
    network = NETWORKS[name]().eval()
    network.load_state_dict(
        {k.removeprefix('weights/'): v for k, v in stored.items() if k.startswith('weights/')}
    )
    output = network(stored['noisy'], stored['steps'], stored['condition'])
    torch.testing.assert_close(output, stored['output'], atol=1e-5, rtol=1e-5)


def test_every_golden_file_has_its_network():
    assert {path.stem for path in FOLDER.glob('*.safetensors')} == set(NETWORKS)
