"""torchvision's ResNet-18 without its pooling and classifier, fresh or from a weight file."""

import importlib
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dp_ros.learning import weight_file
from dp_ros.learning.recipe import ResnetEncoder
from dp_ros.learning.vision_parts import group_norm, replace_modules

CHANNELS = 512
IMAGENET = 'imagenet'
_IMAGENET_FILE = 'resnet18-f37072fd.pth'
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class WeightsError(ValueError):
    """Weights cannot be had; the text names the file and what to do."""


class _ImageNetRange(nn.Module):
    """[0, 1] -> the mean and deviation that ImageNet and R3M networks are used to."""

    def __init__(self) -> None:
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer('mean', torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer(
            'scale', 1 / torch.tensor(_DEVIATION)[:, None, None], persistent=False
        )

    def forward(self, images: Tensor) -> Tensor:
        shifted: Tensor = (images - self.mean) * self.scale
        return shifted


def backbone(recipe: ResnetEncoder) -> nn.Module:
    """ResNet-18: (B, 3, H, W) in [0, 1] -> maps (B, 512, H/32, W/32).

    From scratch with GroupNorm. Weights that were trained with BatchNorm keep it, at rest: its
    statistics stay those of their training, so nothing depends on the batch here either.
    """
    torchvision = import_torchvision()
    network = torchvision.models.resnet18(weights=None)
    chosen = recipe.norm or ('group' if recipe.weights is None else 'frozen_batch')
    norm = group_norm if chosen == 'group' else torchvision.ops.FrozenBatchNorm2d
    replace_modules(network, nn.BatchNorm2d, lambda old: norm(_channels(old)))
    return nn.Sequential(_ImageNetRange(), *list(network.children())[:-2])


def _channels(norm: nn.Module) -> int:
    assert isinstance(norm, nn.BatchNorm2d)
    return norm.num_features


def load_weights(network: nn.Module, weights: str) -> None:
    """Fill a backbone from 'imagenet' or from a file of a ResNet-18; raises WeightsError.

    A file is .safetensors, or torch's own format, which is read without unpickling objects:
    torchvision's state dict, or R3M's checkpoint, of which the convolutional part is taken.
    """
    torchvision = import_torchvision()
    path = _imagenet_file() if weights == IMAGENET else Path(weights)
    stored = {_plain_name(k): v for k, v in _tensors(path).items()}
    reference = torchvision.models.resnet18(weights=None)
    names = list(dict(reference.named_children()))[:-2]
    # The backbone is a sequence: 0 is the range, then the named stages in their order.
    wanted = network.state_dict()
    renamed = {}
    for key in wanted:
        index, _, rest = key.partition('.')
        renamed[key] = f'{names[int(index) - 1]}.{rest}'
    missing = [name for name in renamed.values() if name not in stored]
    if missing:
        raise WeightsError(
            f'{path} does not hold a ResNet-18: {len(missing)} of {len(renamed)} tensors are '
            f'missing, first {missing[0]!r}; expected the state dict of torchvision or of R3M'
        )
    try:
        network.load_state_dict({key: stored[name] for key, name in renamed.items()})
    except RuntimeError as error:
        raise WeightsError(f'{path} does not fit a ResNet-18: {error}') from None


def _plain_name(key: str) -> str:
    """R3M's module.convnet.conv1.weight -> conv1.weight."""
    return key.rpartition('convnet.')[2]


def _imagenet_file() -> Path:
    """torchvision's cached file, fetched first where there is a network."""
    path = Path(torch.hub.get_dir()) / 'checkpoints' / _IMAGENET_FILE
    if path.exists():
        return path
    url = f'https://download.pytorch.org/models/{_IMAGENET_FILE}'
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix='f37072fd', progress=False)
    except OSError as error:
        raise WeightsError(
            f'the ImageNet weights are not in {path.parent} and cannot be fetched ({error}). Put '
            f'{_IMAGENET_FILE} there, or name a local file: vision: {{weights: /path/to/file}}'
        ) from None
    return path


def _tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise WeightsError(
            f'{path}: no such weight file; expected a ResNet-18 (.pth, .safetensors)'
        )
    try:
        content = weight_file.read(path)
    except Exception as error:
        raise WeightsError(
            f'{path} cannot be read as weights ({type(error).__name__}: {error}); expected '
            f'.safetensors, or tensors saved by torch and nothing else'
        ) from None
    for wrapper in ('r3m', 'state_dict', 'model'):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict):
        raise WeightsError(f'{path} holds a {type(content).__name__}; expected a state dict')
    return {k: v for k, v in content.items() if isinstance(v, Tensor)}


_declared: list[torch.library.Library] = []


def import_torchvision() -> Any:
    """torchvision, even where its compiled part does not go with a torch for CPUs.

    The two operators that it then misses at import are declared first; ResNet uses neither.
    """
    try:
        return importlib.import_module('torchvision')
    except RuntimeError as error:
        if 'torchvision::nms' not in str(error) or _declared:
            raise
    for name in [n for n in sys.modules if n.split('.')[0] == 'torchvision']:
        del sys.modules[name]
    library = torch.library.Library('torchvision', 'DEF')
    for operator in ('nms', 'qnms'):
        library.define(f'{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    _declared.append(library)
    return importlib.import_module('torchvision')
