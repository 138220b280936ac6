"""What training starts from: read once, when it begins, and never from a checkpoint of its own."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dp_ros import atomic
from dp_ros.learning import resnet
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import SmallEncoder
from dp_ros.learning.resnet import WeightsError
from dp_ros.learning.vision import VisionEncoder

FILE = 'vision.safetensors'


def save(vision: VisionEncoder, folder: Path) -> None:
    """Write pretrained encoders to `folder`, whole or not at all."""
    with atomic.replacing(folder / FILE) as temporary:
        save_file({k: v.contiguous() for k, v in vision.state_dict().items()}, temporary)


def take_over(policy: DiffusionPolicy, initial: DiffusionPolicy) -> None:
    """Give `policy` the weights and normalisers of `initial`.

    If only `policy` has a prefix, its mask begins with zero weights: at first the same function.
    """
    wanted, found = policy.state_dict(), initial.state_dict()
    if policy.recipe.diffusion.prefix is not None and initial.recipe.diffusion.prefix is None:
        found = {name: _widened(tensor, wanted[name].shape) for name, tensor in found.items()}
    policy.load_state_dict(found)


def _widened(weights: Tensor, shape: torch.Size) -> Tensor:
    """Zeros for the inputs that are new: both networks take the mask after the actions."""
    if weights.shape == shape:
        return weights
    return torch.cat(
        [weights, weights.new_zeros(len(weights), shape[1] - weights.shape[1], *shape[2:])], dim=1
    )


def initialise_vision(vision: VisionEncoder) -> None:
    """Fill the encoders with the `weights` that their recipe names, if any; raises WeightsError.

    A folder holds what `dp-ros pretrain` wrote; anything else is for the backbone of a ResNet-18.
    """
    weights = vision.recipe.weights
    if weights is None:
        return
    if isinstance(vision.recipe, SmallEncoder) or Path(weights).is_dir():
        _load(vision, Path(weights) / FILE)
        return
    for encoder in vision.encoders.values():
        resnet.load_weights(encoder.get_submodule('backbone'), weights)


def _load(vision: VisionEncoder, path: Path) -> None:
    if not path.is_file():
        raise WeightsError(
            f'{path}: no such weight file; vision.weights must be a folder that dp-ros pretrain '
            f'has written'
        )
    try:
        vision.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f'{path} does not hold encoders for the cameras {list(vision.cameras)} as the recipe '
            f'describes them (of another size, for others, or truncated): {error}'
        ) from None
