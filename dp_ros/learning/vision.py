"""Image encoders: a convolutional backbone, spatial softmax, and a projection, for each camera.

Chi et al. 2023, section III-B: a ResNet-18 per camera, spatial softmax instead of average pooling,
GroupNorm instead of BatchNorm, random crops in training and the centre crop in use.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dp_ros.learning import resnet
from dp_ros.learning.augment import augment, centre_crop, crop_size
from dp_ros.learning.recipe import ResnetEncoder, SmallEncoder
from dp_ros.learning.vision_parts import SmallBackbone, SpatialSoftmax
from dp_ros.task import ImageStream, Task

Encoder = ResnetEncoder | SmallEncoder


class CameraEncoder(nn.Module):
    """(B, 3, H, W) in [0, 1] -> features (B, F)."""

    def __init__(self, recipe: Encoder) -> None:
        super().__init__()
        if isinstance(recipe, ResnetEncoder):
            self.backbone: nn.Module = resnet.backbone(recipe)
            channels = resnet.CHANNELS
        else:
            self.backbone, channels = SmallBackbone(), SmallBackbone.channels
        self.points = nn.Conv2d(channels, recipe.keypoints, 1)
        self.softmax = SpatialSoftmax()
        hidden = 2 * recipe.keypoints
        self.project = nn.Sequential(
            nn.Linear(hidden, 2 * hidden), nn.ReLU(), nn.Linear(2 * hidden, recipe.features)
        )

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.project(self.softmax(self.points(self.backbone(images))))
        return features


class VisionEncoder(nn.Module):
    """The encoders of all cameras of a task: prepared uint8 frames in, features out."""

    def __init__(self, cameras: tuple[ImageStream, ...], recipe: Encoder) -> None:
        super().__init__()
        self.cameras = {camera.name: camera for camera in cameras}
        self.recipe = recipe
        names = ['shared'] if recipe.shared else list(self.cameras)
        self.encoders = nn.ModuleDict({name: CameraEncoder(recipe) for name in names})
        if recipe.frozen:
            self.held().requires_grad_(False)

    @property
    def dim(self) -> int:
        """F: features of one step, of all cameras together."""
        return len(self.cameras) * self.recipe.features

    def encoder(self, camera: str) -> CameraEncoder:
        """The network that sees the frames of `camera`."""
        found = self.encoders['shared' if self.recipe.shared else camera]
        assert isinstance(found, CameraEncoder)
        return found

    def held(self) -> nn.ModuleList:
        """What `frozen` freezes: whole encoders where their weights are ours, else backbones."""
        encoders = [e for e in self.encoders.values() if isinstance(e, CameraEncoder)]
        whole = isinstance(self.recipe, SmallEncoder)
        return nn.ModuleList(encoders if whole else [e.backbone for e in encoders])

    def encode(self, camera: str, frames: Tensor) -> Tensor:
        """Frames (B, H, W, 3) uint8 of one camera -> features (B, F).

        In training mode each frame is augmented (learning/augment.py); else its centre is used.
        """
        images = frames.permute(0, 3, 1, 2).to(memory_format=torch.channels_last)
        size = crop_size(self.cameras[camera].size, self.recipe.crop)
        if self.training:
            images = augment(images, size, self.recipe.brightness)
        else:
            images = centre_crop(images, size).float().div(255)
        features: Tensor = self.encoder(camera)(images)
        return features

    def forward(self, images: Mapping[str, Tensor]) -> Tensor:
        """images[camera] (B, T_o, H, W, 3) uint8 -> features (B, T_o, F), in task order."""
        return torch.cat([self._steps(name, images[name]) for name in self.cameras], dim=-1)

    def _steps(self, camera: str, frames: Tensor) -> Tensor:
        return self.encode(camera, frames.flatten(0, 1)).unflatten(0, frames.shape[:2])


def encoder_of(task: Task, recipe: Encoder | None) -> VisionEncoder | None:
    """The encoders that a policy of `task` needs; None for a task without cameras."""
    if not task.cameras:
        return None
    if recipe is None:
        raise ValueError(
            f'task {task.name!r} has cameras, but the recipe has no image encoder; give it one, '
            f'as in vision: {{kind: resnet18}}'
        )
    return VisionEncoder(task.cameras, recipe)
