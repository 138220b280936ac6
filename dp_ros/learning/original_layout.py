"""Weights as the original project of Chi et al. 2023 stores them, in a policy of ours.

github.com/real-stanford/diffusion_policy, policies for low-dimensional observations: their 1D
U-Net (told globally, locally or by inpainting) and their transformer, with their normalisers. The
names differ, and so does what a name holds in three places: query, key and value are one matrix
there, a position has a leading axis of 1, and FiLM may have a bias alone.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from dp_ros.learning import weight_file
from dp_ros.learning.normalizer import MinMaxNormalizer
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import TransformerNetwork, UnetNetwork


class LayoutError(ValueError):
    """A file does not hold the policy that it should; the text says what differs."""


_NORMALIZER, _NETWORK = 'normalizer.params_dict.', 'model.'
# Masks that follow from the sizes, a parameter without a number, and an encoder that is not used.
_LEFT_OUT = re.compile(r'.*_dummy_variable|mask|memory_mask|local_cond_encoder\.1\..*')
_UNET = (
    (r'^diffusion_step_encoder\.1\.', 'embed_step.project.0.'),
    (r'^diffusion_step_encoder\.3\.', 'embed_step.project.2.'),
    (r'^local_cond_encoder\.0\.', 'encode.'),
    (r'^(down|up)_modules\.', r'\1.'),
    (r'^mid_modules\.', 'middle.'),
    (r'\.conv\.', '.'),
    (r'blocks\.0\.block\.', 'first.'),
    (r'blocks\.1\.block\.', 'second.'),
    (r'cond_encoder\.1\.', 'film.1.'),
    (r'residual_conv\.', 'residual.'),
    (r'^final_conv\.0\.block\.', 'final.0.'),
    (r'^final_conv\.1\.', 'final.1.'),
)
_TRANSFORMER = (
    (r'^input_emb\.', 'enter.'),
    (r'^pos_emb$', 'positions'),
    (r'^cond_pos_emb$', 'memory_positions'),
    (r'^cond_obs_emb\.', 'embed_observation.'),
    (r'^encoder\.layers\.(\d+)\.norm2\.', r'encoder.\1.norm_inner.'),
    (r'^encoder\.layers\.', 'encoder.'),
    (r'^decoder\.layers\.', 'blocks.'),
    (r'\.self_attn\.', '.attend_self.'),
    (r'\.multihead_attn\.', '.attend_memory.'),
    (r'\.out_proj\.', '.leave.'),
    (r'\.linear1\.', '.inner.0.'),
    (r'\.linear2\.', '.inner.3.'),
    (r'\.norm1\.', '.norm_self.'),
    (r'\.norm2\.', '.norm_memory.'),
    (r'\.norm3\.', '.norm_inner.'),
    (r'^ln_f\.', 'leave.0.'),
    (r'^head\.', 'leave.1.'),
)


def read(path: Path) -> dict[str, Tensor]:
    """The state dict of a policy in a file: the averaged weights, where it has them.

    The file is .safetensors, or torch's own format, which is read without running anything that
    it holds. Raises LayoutError.
    """
    if not path.is_file():
        raise LayoutError(f'{path}: no such file; expected a checkpoint of the original project')
    try:
        content = weight_file.read(path)
    except Exception as error:
        raise LayoutError(
            f'{path} cannot be read as weights alone ({type(error).__name__}). The checkpoints of '
            f'the original project hold Python objects, too, and no such object is ever loaded '
            f'here: export the weights where that project is installed; docs/diffusion.md has the '
            f'command'
        ) from None
    if isinstance(content, dict) and isinstance(states := content.get('state_dicts'), dict):
        content = states.get('ema_model', states.get('model'))
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise LayoutError(
            f'{path} holds no state dict: expected names and tensors, or these as '
            f"['state_dicts']['ema_model']"
        )
    return content


def fill(policy: DiffusionPolicy, state: Mapping[str, Tensor]) -> None:
    """Give `policy` the weights and normalisers of `state`; raises LayoutError."""
    _check_use(policy)
    network = _below(_NETWORK, state)
    wanted = policy.denoiser.state_dict()
    if isinstance(policy.recipe.network, TransformerNetwork):
        if 'memory_mask' not in network:
            raise LayoutError(
                'the file holds no transformer with causal attention to observations '
                '(causal_attn: True, obs_as_cond: True), which is the only one here'
            )
        renamed = dict(_split(_renamed(network, _TRANSFORMER)))
    else:
        renamed = _renamed(network, _UNET)
        for name, tensor in renamed.items():
            if '.film.1.' in name and name in wanted:
                renamed[name] = _with_scale(tensor, len(wanted[name]))
    _check_names(renamed, wanted)
    policy.denoiser.load_state_dict(renamed)
    for name, normalizer in (
        ('obs', policy.normalize_observation),
        ('action', policy.normalize_action),
    ):
        _fill_normalizer(normalizer, name, _below(f'{_NORMALIZER}{name}.', state))


def _check_use(policy: DiffusionPolicy) -> None:
    """That the policy uses a network as the original project does."""
    task, recipe = policy.task, policy.recipe
    if not isinstance(recipe.network, UnetNetwork | TransformerNetwork):
        raise LayoutError(
            f'the original project has no network of the kind {recipe.network.kind!r}; give a '
            f'recipe with a unet or a transformer'
        )
    if task.cameras:
        raise LayoutError(f'task {task.name!r} has cameras; only policies for states are imported')
    if recipe.features.kind != 'plain' or recipe.features.control != 'position':
        raise LayoutError('the original project has features: {kind: plain} and no others')
    if recipe.diffusion.prefix is not None:
        raise LayoutError('the original project knows no prefix: leave it out of the recipe')
    first = 1 - task.horizons.observation
    if task.horizons.first != first:
        raise LayoutError(
            f'the first action of the original project belongs to the first observed step: task '
            f'{task.name!r} needs horizons.first {first}, found {task.horizons.first}'
        )


def _renamed(state: Mapping[str, Tensor], rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in state.items():
        if _LEFT_OUT.fullmatch(name):
            continue
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return renamed


def _split(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Query, key and value apart; positions (1, T, width) -> (T, width)."""
    for name, tensor in state.items():
        stem, joined, kind = name.partition('in_proj_')
        if joined:
            for part, rows in zip(('query', 'key', 'value'), tensor.chunk(3), strict=True):
                yield f'{stem}{part}.{kind}', rows
        else:
            yield name, tensor.squeeze(0) if name.endswith('positions') else tensor


def _with_scale(bias: Tensor, rows: int) -> Tensor:
    """FiLM of `rows` = 2 C outputs from the C of a bias alone: the scale is always 1."""
    if 2 * len(bias) != rows:
        return bias
    scale = torch.zeros_like(bias) if bias.dim() == 2 else torch.ones_like(bias)
    return torch.cat([scale, bias])


def _check_names(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    for names, what in (
        (wanted.keys() - found.keys(), 'lacks'),
        (found.keys() - wanted.keys(), 'has besides'),
    ):
        if names:
            raise LayoutError(
                f'the file holds another network than recipe.network describes: it {what} '
                f'{len(names)} tensors (of {len(wanted)}), first {min(names)!r}'
            )
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            raise LayoutError(
                f'the file holds a network of another size than recipe.network and the task '
                f'describe: {name} is {tuple(tensor.shape)}, expected {tuple(wanted[name].shape)}'
            )


def _fill_normalizer(normalizer: MinMaxNormalizer, name: str, stored: dict[str, Tensor]) -> None:
    """From v -> scale v + offset to the bounds that are mapped to -1 and 1."""
    if not {'scale', 'offset'} <= stored.keys():
        raise LayoutError(
            f'the file has no {_NORMALIZER}{name}.scale and .offset: expected the state dict of a '
            f'whole policy, not of its network'
        )
    scale, offset, size = stored['scale'], stored['offset'], normalizer.low.shape[-1]
    if scale.shape != (size,):
        raise LayoutError(
            f'the file normalises {name} of {scale.numel()} numbers, but the task has {size}'
        )
    normalizer.low.copy_((-1 - offset) / scale)
    normalizer.high.copy_((1 - offset) / scale)


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
