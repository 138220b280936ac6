"""How training looks at images: each window's frames augmented by a seed of the window's own.

A batch then gives the same features whole, in parts, or spread over several processes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from dp_ros.learning.augment import augment, crop_size
from dp_ros.learning.vision import VisionEncoder


def augmented(vision: VisionEncoder, images: Mapping[str, Tensor], looks: Tensor) -> Tensor:
    """images[camera] (B, T_o, H, W, 3) uint8, seeds `looks` (B,) -> features (B, T_o, V)."""
    features = []
    for name, camera in vision.cameras.items():
        frames = images[name].permute(0, 1, 4, 2, 3)  # (B, T_o, 3, H, W)
        size = crop_size(camera.size, vision.recipe.crop)
        views = []
        for window, seed in zip(frames, looks.tolist(), strict=True):
            torch.default_generator.manual_seed(seed)
            views.append(augment(window, size, vision.recipe.brightness))
        flat = torch.cat(views).contiguous(memory_format=torch.channels_last)
        features.append(vision.encoder(name)(flat).unflatten(0, frames.shape[:2]))
    return torch.cat(features, dim=-1)
