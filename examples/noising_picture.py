"""Forward noising as a picture: an image and an action chunk, at the same steps."""

from pathlib import Path

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from dp_ros import atomic
from dp_ros.sim import arcs
from examples.digits import SCHEDULE

SHOWN = (-1, 9, 24, 49, 74, 99)  # -1: before any noise
INK, PALE = '#2b2b2b', '#b8b8b8'
EVERY = 5


def draw(image: Tensor, out: Path) -> None:
    """An image (8, 8) in [-1, 1], and 16 actions along the upper arc, from clean to noise."""
    generator = torch.Generator().manual_seed(1)
    path = torch.from_numpy(arcs.arc(upper=True)[2::EVERY]).float()  # (16, 2)
    low, high = path.amin(0), path.amax(0)
    path = 2 * (path - low) / (high - low) - 1  # as a policy's normaliser does
    noises = [torch.randn(clean.shape, generator=generator) for clean in (image, path)]
    figure, axes = plt.subplots(2, len(SHOWN), figsize=(13, 5.2), layout='constrained')
    for column, step in enumerate(SHOWN):
        shown = [_noised(x, noise, step) for x, noise in zip((image, path), noises, strict=True)]
        above, below = axes[:, column]
        above.imshow(shown[0].numpy(), cmap='gray_r', vmin=-1.6, vmax=1.6)
        _chunk(below, shown[1], path)
        above.set_title(_title(step), fontsize=11, color=INK)
    for axis, text in zip(axes[:, 0], ('an image,\n8 x 8 pixels', 'a chunk,\n16 actions (x, y)')):
        axis.set_ylabel(text, fontsize=12, color=INK)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_color('#dddddd')
    figure.suptitle(
        'Forward noising is the same for both: each number keeps a share of itself and gets '
        'noise of its own',
        fontsize=14,
        color=INK,
    )
    with atomic.replacing(out) as temporary:
        figure.savefig(temporary, dpi=90)
    plt.close(figure)


def _noised(clean: Tensor, noise: Tensor, step: int) -> Tensor:
    if step < 0:
        return clean
    return SCHEDULE.add_noise(clean[None], noise[None], torch.tensor([step]))[0]


def _chunk(axis: Axes, chunk: Tensor, clean: Tensor) -> None:
    """The actions in their order, over where they were."""
    axis.plot(*clean.numpy().T, color=PALE, linewidth=1.2, linestyle=(0, (4, 3)), zorder=0)
    axis.plot(*chunk.numpy().T, color=INK, linewidth=0.6, alpha=0.35, zorder=1)
    axis.scatter(*chunk.numpy().T, c=np.arange(len(chunk)), cmap='viridis', s=26, zorder=2)
    axis.set(xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect='equal')


def _title(step: int) -> str:
    abar = SCHEDULE.alpha_bar(step)
    if step < 0:
        return 'clean\n1.00 of itself'
    last = ', the last' if step == SCHEDULE.steps - 1 else ''
    return f'step {step}{last}\n{abar**0.5:.2f} of itself + {(1 - abar) ** 0.5:.2f} noise'
