"""What training starts from: read once, when it begins, and never from a checkpoint of its own."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dp_ros import atomic
from dp_ros.learning import methods, resnet
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import SmallEncoder
from dp_ros.learning.resnet import WeightsError
from dp_ros.learning.vision import VisionEncoder

FILE = 'vision.safetensors'


def save(vision: VisionEncoder, folder: Path) -> None:
    """Write pretrained encoders to `folder`, whole or not at all."""
    with atomic.replacing(folder / FILE) as temporary:
        save_file({k: v.contiguous() for k, v in vision.state_dict().items()}, temporary)


def take_over(policy: ChunkPolicy, initial: ChunkPolicy) -> None:
    """Give `policy` the weights and normalisers of `initial`.

    If only `policy` has a prefix, its mask begins with zero weights: at first the same function.
    Raises ValueError where they are of different methods.
    """
    if type(policy) is not type(initial):
        raise ValueError(
            f'training of a policy of method {methods.name(policy)} cannot start from one of '
            f'method {methods.name(initial)}: give a checkpoint of the same method'
        )
    wanted, found = policy.state_dict(), initial.state_dict()
    if _has_prefix(policy) and not _has_prefix(initial):
        found = {name: _widened(tensor, wanted[name].shape) for name, tensor in found.items()}
    policy.load_state_dict(found)


def _has_prefix(policy: ChunkPolicy) -> bool:
    return isinstance(policy, DiffusionPolicy) and policy.recipe.diffusion.prefix is not None


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
            f'describes them (of another size, for others, truncated; or a resnet18 pretrained '
            f'from scratch, which vision must give norm: group): {error}'
        ) from None
