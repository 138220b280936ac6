"""Image augmentation, in one place: random crop and brightness in training, centre crop in use."""

import torch
from torch import Tensor


def crop_size(size: tuple[int, int], share: float) -> tuple[int, int]:
    """Width and height [px] of a crop that keeps `share` of each side."""
    return round(size[0] * share), round(size[1] * share)


def centre_crop(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The middle (B, C, size[1], size[0]) of images (B, C, H, W), as a view."""
    width, height = size
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    return images[..., top : top + height, left : left + width]


def augment(images: Tensor, size: tuple[int, int], brightness: float) -> Tensor:
    """uint8 images (B, 3, H, W) -> (B, 3, size[1], size[0]) in [0, 1], each cropped at random.

    Each image is also scaled by a factor in 1 +- brightness, and each channel by one in
    1 +- brightness / 2: exposure and white balance. Draws from torch's global generator.
    """
    width, height = size
    count, spare = len(images), (images.shape[-2] - height, images.shape[-1] - width)
    if spare != (0, 0):
        tops = torch.randint(spare[0] + 1, (count,)).tolist()
        lefts = torch.randint(spare[1] + 1, (count,)).tolist()
        cropped = [
            image[:, top : top + height, left : left + width]
            for image, top, left in zip(images, tops, lefts, strict=True)
        ]
        images = torch.stack(cropped)
    images = images.float().div(255)
    if brightness == 0:
        return images
    whole = 1 + brightness * (2 * torch.rand(count, 1, 1, 1) - 1)
    tint = 1 + brightness / 2 * (2 * torch.rand(count, 3, 1, 1) - 1)
    return (images * (whole * tint).to(images.device)).clamp(0, 1)
