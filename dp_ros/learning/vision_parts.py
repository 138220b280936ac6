"""The pieces of which image encoders are made."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class SpatialSoftmax(nn.Module):
    """Each channel of a feature map becomes the mean position of its softmax (Levine et al. 2016).

    (B, C, H, W) -> (B, 2C): x of all channels, then y, in [-1, 1] from edge to edge.
    """

    def forward(self, maps: Tensor) -> Tensor:
        height, width = maps.shape[-2:]
        mass = maps.flatten(2).softmax(dim=-1).unflatten(-1, (height, width))
        x = torch.linspace(-1, 1, width, device=maps.device)
        y = torch.linspace(-1, 1, height, device=maps.device)
        across, down = (mass.sum(dim=-2) * x).sum(dim=-1), (mass.sum(dim=-1) * y).sum(dim=-1)
        return torch.cat([across, down], dim=-1)


def group_norm(channels: int) -> nn.GroupNorm:
    """Groups of 16 channels: unlike BatchNorm it goes with averaged weights (Chi et al. 2023)."""
    return nn.GroupNorm(max(1, channels // 16), channels)


def replace_modules(
    root: nn.Module, kind: type[nn.Module], make: Callable[[nn.Module], nn.Module]
) -> None:
    """Replace every module of `kind` below `root` by what `make` makes of it."""
    for name, child in root.named_children():
        if isinstance(child, kind):
            setattr(root, name, make(child))
        else:
            replace_modules(child, kind, make)


class SmallBackbone(nn.Module):
    """Four convolutions for a CPU: (B, 3, H, W) in [0, 1] -> maps (B, 32, H/4, W/4).

    A quarter of the resolution is kept to the end: positions are what is read from the maps.
    """

    channels = 32

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        plan = [(16, 5, 2, 1), (32, 3, 2, 1), (32, 3, 1, 2), (32, 3, 1, 4)]
        for channels, kernel, stride, dilation in plan:
            padding = dilation * (kernel - 1) // 2
            layers += [
                nn.Conv2d(before, channels, kernel, stride, padding, dilation),
                group_norm(channels),
                nn.ReLU(inplace=True),
            ]
            before = channels
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.layers(images - 0.5)
        return maps
