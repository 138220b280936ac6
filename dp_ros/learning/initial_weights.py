"""What image encoders start from: read once, when training begins, and never from a checkpoint."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from dp_ros import atomic
from dp_ros.learning import resnet
from dp_ros.learning.recipe import SmallEncoder
from dp_ros.learning.resnet import WeightsError
from dp_ros.learning.vision import VisionEncoder

FILE = 'vision.safetensors'


def save(vision: VisionEncoder, folder: Path) -> None:
    """Write pretrained encoders to `folder`, whole or not at all."""
    with atomic.replacing(folder / FILE) as temporary:
        save_file({k: v.contiguous() for k, v in vision.state_dict().items()}, temporary)


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
