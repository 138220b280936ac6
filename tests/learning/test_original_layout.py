"""Random policies in the original project's layout, and what its networks make of their inputs.

The oracles are written here from the names and shapes of its state dicts: the U-Net with torch's
functions, the transformer with torch's own encoder and decoder layers.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from dp_ros import yamlfile
from dp_ros.learning import checkpoint, original_layout
from dp_ros.learning.observations import Observations
from dp_ros.learning.original_layout import LayoutError
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.transition import Denoising

T_O, T_P, A, D = 2, 8, 2, 2
WIDTHS, STEP, KERNEL = (16, 32, 64), 8, 5
UNET = {'kind': 'unet', 'widths': list(WIDTHS), 'step_embedding': STEP}
TRANSFORMER = {'kind': 'transformer', 'width': 32, 'layers': 2, 'heads': 4}


def sinusoids(steps, width):
    half = width // 2
    angles = steps[:, None] * torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half))
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class OriginalUnet:
    """kind: global, local or inpainting; scales: whether FiLM scales, too."""

    def __init__(self, kind, scales=True):
        self.kind, self.scales, self.state = kind, scales, {}
        denoised = A + D if kind == 'inpainting' else A
        self.condition = STEP + (T_O * D if kind == 'global' else 0)
        self.linear('diffusion_step_encoder.1', STEP, 4 * STEP)
        self.linear('diffusion_step_encoder.3', 4 * STEP, STEP)
        if kind == 'local':
            self.block('local_cond_encoder.0', D, WIDTHS[0])
            self.block('local_cond_encoder.1', D, WIDTHS[0])
        for i in range(2):
            self.block(f'mid_modules.{i}', WIDTHS[-1], WIDTHS[-1])
        for i, (narrow, wide) in enumerate(itertools.pairwise((denoised, *WIDTHS))):
            self.block(f'down_modules.{i}.0', narrow, wide)
            self.block(f'down_modules.{i}.1', wide, wide)
            if wide != WIDTHS[-1]:
                self.tensors(f'down_modules.{i}.2.conv', (wide, wide, 3))
        for i, (wide, narrow) in enumerate(itertools.pairwise(reversed(WIDTHS))):
            self.block(f'up_modules.{i}.0', 2 * wide, narrow)
            self.block(f'up_modules.{i}.1', narrow, narrow)
            self.tensors(f'up_modules.{i}.2.conv', (narrow, narrow, 4))
        self.convolution('final_conv.0', WIDTHS[0], WIDTHS[0])
        self.tensors('final_conv.1', (denoised, WIDTHS[0], 1))

    def tensors(self, name, shape, spread=0.2):
        self.state[f'{name}.weight'] = spread * torch.randn(shape)
        self.state[f'{name}.bias'] = spread * torch.randn(shape[0])

    def linear(self, name, narrow, wide):
        self.tensors(name, (wide, narrow))

    def convolution(self, name, narrow, wide):
        self.tensors(f'{name}.block.0', (wide, narrow, KERNEL))
        self.tensors(f'{name}.block.1', (wide,), 1.0)

    def block(self, name, narrow, wide):
        self.convolution(f'{name}.blocks.0', narrow, wide)
        self.convolution(f'{name}.blocks.1', wide, wide)
        self.linear(f'{name}.cond_encoder.1', self.condition, wide * (1 + self.scales))
        if narrow != wide:
            self.tensors(f'{name}.residual_conv', (wide, narrow, 1))

    def at(self, name):
        return self.state[f'{name}.weight'], self.state[f'{name}.bias']

    def convolved(self, name, x):
        x = functional.conv1d(x, *self.at(f'{name}.block.0'), padding=KERNEL // 2)
        return functional.mish(functional.group_norm(x, 8, *self.at(f'{name}.block.1')))

    def passed(self, name, x, condition):
        hidden = self.convolved(f'{name}.blocks.0', x)
        film = functional.linear(functional.mish(condition), *self.at(f'{name}.cond_encoder.1'))
        film = film.reshape(len(x), -1, hidden.shape[1], 1)
        hidden = film[:, 0] * hidden + film[:, 1] if self.scales else hidden + film[:, 0]
        hidden = self.convolved(f'{name}.blocks.1', hidden)
        if f'{name}.residual_conv.weight' in self.state:
            x = functional.conv1d(x, *self.at(f'{name}.residual_conv'))
        return hidden + x

    def __call__(self, noisy, steps, observed):
        condition = functional.linear(sinusoids(steps, STEP), *self.at('diffusion_step_encoder.1'))
        condition = functional.mish(condition)
        condition = functional.linear(condition, *self.at('diffusion_step_encoder.3'))
        x, local = noisy.clone(), 0
        if self.kind == 'inpainting':
            x[:, :T_O, A:] = observed
        if self.kind == 'global':
            condition = torch.cat([condition, observed.flatten(1)], dim=1)
        if self.kind == 'local':
            beside = torch.zeros(len(x), T_P, D)
            beside[:, :T_O] = observed
            local = self.passed('local_cond_encoder.0', beside.mT, condition)
        x, skipped, last = x.mT, [], len(WIDTHS) - 1
        for i in range(len(WIDTHS)):
            x = self.passed(f'down_modules.{i}.0', x, condition)
            x = self.passed(f'down_modules.{i}.1', x + (local if i == 0 else 0), condition)
            skipped.append(x)
            if i < last:
                x = functional.conv1d(x, *self.at(f'down_modules.{i}.2.conv'), 2, 1)
        for i in range(2):
            x = self.passed(f'mid_modules.{i}', x, condition)
        for i in range(last):
            x = torch.cat([x, skipped.pop()], dim=1)
            x = self.passed(f'up_modules.{i}.0', x, condition)
            x = self.passed(f'up_modules.{i}.1', x, condition)
            x = functional.conv_transpose1d(x, *self.at(f'up_modules.{i}.2.conv'), 2, 1)
        x = self.convolved('final_conv.0', x)
        return functional.conv1d(x, *self.at('final_conv.1')).mT


class OriginalTransformer(nn.Module):
    def __init__(self, condition_layers):
        super().__init__()
        width = TRANSFORMER['width']
        of_layer = {
            'd_model': width,
            'nhead': TRANSFORMER['heads'],
            'dim_feedforward': 4 * width,
            'activation': 'gelu',
            'batch_first': True,
            'norm_first': True,
        }
        self.input_emb = nn.Linear(A, width)
        self.pos_emb = nn.Parameter(torch.randn(1, T_P, width))
        self.cond_obs_emb = nn.Linear(D, width)
        self.cond_pos_emb = nn.Parameter(torch.randn(1, 1 + T_O, width))
        self.encoder = nn.Sequential(
            nn.Linear(width, 4 * width), nn.Mish(), nn.Linear(4 * width, width)
        )
        if condition_layers:
            self.encoder = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(**of_layer),
                condition_layers,
                enable_nested_tensor=False,
            )
        layer = nn.TransformerDecoderLayer(**of_layer)
        self.decoder = nn.TransformerDecoder(layer, TRANSFORMER['layers'])
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, A)
        self._dummy_variable = nn.Parameter()
        rows, columns = torch.arange(T_P)[:, None], torch.arange(1 + T_O)
        for name, seen in (('mask', rows >= rows.T), ('memory_mask', rows >= columns - 1)):
            self.register_buffer(name, torch.where(seen, 0.0, -torch.inf))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.2) if parameter.numel() else None
        self.eval()

    @property
    def state(self):
        return self.state_dict()

    def forward(self, noisy, steps, observed):
        step = sinusoids(steps, TRANSFORMER['width'])[:, None]
        memory = torch.cat([step, self.cond_obs_emb(observed)], dim=1) + self.cond_pos_emb
        x = self.input_emb(noisy) + self.pos_emb
        x = self.decoder(x, self.encoder(memory), self.mask, self.memory_mask)
        return self.head(self.ln_f(x))


ORIGINALS = {
    'global': (lambda: OriginalUnet('global'), UNET),
    'local': (lambda: OriginalUnet('local'), UNET | {'condition': 'local'}),
    'inpainting': (lambda: OriginalUnet('inpainting'), UNET | {'condition': 'inpainting'}),
    'no-scale': (lambda: OriginalUnet('global', scales=False), UNET),
    'transformer': (lambda: OriginalTransformer(0), TRANSFORMER),
    'encoder': (lambda: OriginalTransformer(2), TRANSFORMER | {'condition_layers': 2}),
}
SCALE = {'obs': torch.tensor([0.5, 2.0]), 'action': torch.tensor([0.004, 0.1])}
OFFSET = {'obs': torch.tensor([-0.25, 3.0]), 'action': torch.tensor([-1.0, 0.5])}


def stored(network):
    """The state dict of a whole policy."""
    state = {f'model.{name}': tensor for name, tensor in network.state.items()}
    state['mask_generator._dummy_variable'] = torch.zeros(0)
    for key in ('obs', 'action'):
        for name, value in (('scale', SCALE[key]), ('offset', OFFSET[key])):
            state[f'normalizer.params_dict.{key}.{name}'] = value
            state[f'normalizer.params_dict.{key}.input_stats.max'] = torch.ones(2)
    return state


@pytest.fixture(params=ORIGINALS)
def imported(request, task, make_recipe):
    make, network = ORIGINALS[request.param]
    torch.manual_seed(0)
    with torch.no_grad():
        original = make()
    diffusion = {'inference_steps': 4, 'sampler': 'ddpm', 'variance': 'fixed_large'}
    policy = DiffusionPolicy(task, make_recipe(network=network, diffusion=diffusion)).eval()
    original_layout.fill(policy, stored(original))
    return original, policy


@torch.no_grad()
def test_the_network_gives_what_it_gave(imported):
    original, policy = imported
    noisy, steps = torch.randn(3, *policy.noise_shape), torch.tensor([0, 20, 49])
    observed = torch.randn(3, T_O, D)
    torch.testing.assert_close(
        policy.denoiser(noisy, steps, observed.flatten(1)),
        original(noisy, steps, observed),
        atol=1e-4,
        rtol=1e-4,
    )


@torch.no_grad()
def test_the_policy_answers_with_the_actions_that_it_answered_with(imported):
    """From observations to actions: normalised, denoised, brought back."""
    original, policy = imported
    vector, noise = torch.randn(3, T_O, D), torch.randn(3, *policy.noise_shape)
    observed = vector * SCALE['obs'] + OFFSET['obs']

    def denoise(x, step):
        return original(x, torch.full((3,), step), observed)

    ours = policy.denoising(policy.condition(vector, None))
    theirs = Denoising(denoise, ours.schedule, ours.steps, ours.prediction, ours.sampler)
    expected = (theirs.sample(noise)[..., :A] - OFFSET['action']) / SCALE['action']
    found = policy.predict(Observations(vector), noise)
    torch.testing.assert_close(found, expected, atol=0.02, rtol=1e-4)
    assert np.ptp(found[..., 0].numpy()) > 100


@pytest.mark.parametrize('suffix', ['.ckpt', '.pt', '.safetensors'])
def test_a_file_becomes_a_checkpoint(dp_ros, task, make_recipe, tmp_path, suffix):
    torch.manual_seed(0)
    state, recipe = stored(OriginalTransformer(0)), make_recipe(network=TRANSFORMER)
    file = tmp_path / f'latest{suffix}'
    if suffix == '.safetensors':
        save_file(state, file)
    else:
        not_averaged = {name: tensor + 1 for name, tensor in state.items()}
        states = {'model': not_averaged, 'ema_model': state, 'optimizer': {'state': {}}}
        torch.save(state if suffix == '.pt' else {'state_dicts': states}, file)
    (tmp_path / 'task.yaml').write_text(yamlfile.dump(task))
    (tmp_path / 'recipe.yaml').write_text(yamlfile.dump(recipe))
    code, said = dp_ros(
        *('import-checkpoint', file, '--task', tmp_path / 'task.yaml'),
        *('--recipe', tmp_path / 'recipe.yaml', '-o', tmp_path / 'imported'),
    )
    assert code == 0, said
    loaded = checkpoint.load(tmp_path / 'imported')
    assert f'transformer of 0.04 M parameters: {tmp_path}/imported, identity' in said
    assert loaded.identity in said
    expected = DiffusionPolicy(task, recipe)
    original_layout.fill(expected, state)
    for name, value in loaded.policy.state_dict().items():
        assert torch.equal(value, expected.state_dict()[name])


class OfItsProject:
    """Stands for the configuration in a checkpoint, which no other program knows."""


@pytest.mark.parametrize(
    ('content', 'says'),
    [
        ({'cfg': OfItsProject(), 'state_dicts': {}}, 'cannot be read as weights alone'),
        ({'state_dicts': {'optimizer': {}}}, 'holds no state dict'),
        ([1, 2], 'holds no state dict'),
    ],
)
def test_a_file_with_more_than_weights_or_without_them_is_a_sentence(tmp_path, content, says):
    torch.save(content, tmp_path / 'latest.ckpt')
    with pytest.raises(LayoutError, match=says):
        original_layout.read(tmp_path / 'latest.ckpt')


def test_a_missing_and_a_damaged_file_are_sentences(tmp_path):
    with pytest.raises(LayoutError, match='no such file'):
        original_layout.read(tmp_path / 'latest.ckpt')
    (tmp_path / 'weights.safetensors').write_bytes(b'\0' * 100)
    with pytest.raises(LayoutError, match='cannot be read'):
        original_layout.read(tmp_path / 'weights.safetensors')


@pytest.mark.parametrize(
    ('changes', 'says'),
    [
        ({'network': TRANSFORMER | {'layers': 3}}, r'it lacks \d+ tensors .*blocks\.2'),
        ({'network': TRANSFORMER | {'layers': 1}}, r'it has besides \d+ tensors .*blocks\.1'),
        ({'network': TRANSFORMER | {'width': 16}}, r'another size .* is \(.*\), expected \('),
        ({'network': {'kind': 'mlp'}}, "no network of the kind 'mlp'"),
        ({'features': {'kind': 'relative'}}, 'features: {kind: plain}'),
        ({'diffusion': {'prefix': {'most': 2}}}, 'knows no prefix'),
    ],
)
def test_a_recipe_that_does_not_describe_it_is_a_sentence(task, make_recipe, changes, says):
    policy = DiffusionPolicy(task, make_recipe(**({'network': TRANSFORMER} | changes)))
    with pytest.raises(LayoutError, match=says):
        original_layout.fill(policy, stored(OriginalTransformer(0)))


def test_what_else_may_be_missing_is_named(task, image_task, make_recipe, look):
    state = stored(OriginalTransformer(0))
    policy = DiffusionPolicy(task, make_recipe(network=TRANSFORMER))
    without = {k: v for k, v in state.items() if 'normalizer' not in k}
    with pytest.raises(LayoutError, match=r'no normalizer\.params_dict\.obs\.scale'):
        original_layout.fill(policy, without)
    of_three = state | {'normalizer.params_dict.action.scale': torch.ones(3)}
    with pytest.raises(LayoutError, match='action of 3 numbers, but the task has 2'):
        original_layout.fill(policy, of_three)
    not_causal = {k: v for k, v in state.items() if 'mask' not in k}
    with pytest.raises(LayoutError, match='causal_attn: True'):
        original_layout.fill(policy, not_causal)
    seeing = DiffusionPolicy(image_task, make_recipe(network=TRANSFORMER, vision=look))
    with pytest.raises(LayoutError, match='has cameras'):
        original_layout.fill(seeing, state)
    horizons = {'observation': 2, 'prediction': 8, 'action': 4, 'first': 0}
    late = type(task).model_validate(task.model_dump() | {'horizons': horizons})
    with pytest.raises(LayoutError, match=r'needs horizons\.first -1, found 0'):
        original_layout.fill(DiffusionPolicy(late, make_recipe(network=TRANSFORMER)), state)
