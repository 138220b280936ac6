"""Generated digits as a picture: a row of each class, a block of columns for each weight."""

from pathlib import Path

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

from dp_ros import atomic
from dp_ros.learning.mlp import MLPDenoiser
from examples.digits import CLASSES, WEIGHTS, generate

SHOWN = [weight for weight in WEIGHTS if weight]
EACH = 4
INK, PALE = '#2b2b2b', '#8a8a8a'


def draw(denoiser: MLPDenoiser, out: Path) -> None:
    """Above, images without a class; below, of each class, from the same noise for each weight."""
    figure = plt.figure(figsize=(12, 8.8), layout='constrained')
    grid = figure.add_gridspec(2, len(SHOWN), height_ratios=[1, CLASSES], hspace=0.02)
    free = generate(denoiser, torch.zeros(EACH * len(SHOWN), dtype=torch.long), 0.0, seed=3)
    axis = figure.add_subplot(grid[0, :])
    _tiles(axis, free[None])
    axis.set_title('no class asked for', fontsize=13, color=INK)
    classes = torch.arange(CLASSES).repeat_interleave(EACH)
    for column, weight in enumerate(SHOWN):
        axis = figure.add_subplot(grid[1, column])
        made = generate(denoiser, classes, weight, seed=4)
        _tiles(axis, made.unflatten(0, (CLASSES, EACH)))
        axis.set_title(f'guidance {weight:g}', fontsize=13, color=INK)
        if column == 0:
            axis.set_yticks([9 * c + 4 for c in range(CLASSES)], range(CLASSES), fontsize=13)
            axis.set_ylabel('class that is asked for', fontsize=12, color=PALE)
    figure.suptitle(
        'Digits from noise, by the network, schedule and sampler of a policy',
        fontsize=15,
        color=INK,
    )
    with atomic.replacing(out) as temporary:
        figure.savefig(temporary, dpi=90)
    plt.close(figure)


def _tiles(axis: Axes, images: Tensor) -> None:
    """Images (rows, columns, 8, 8) on one axis, a pixel apart."""
    padded = torch.nn.functional.pad(images, (0, 1, 0, 1), value=-1.0)  # (rows, columns, 9, 9)
    sheet = padded.permute(0, 2, 1, 3).flatten(0, 1).flatten(1)[:-1, :-1]
    axis.imshow(sheet.numpy(), cmap='gray_r', vmin=-1, vmax=1, interpolation='nearest')
    axis.set(xticks=[], yticks=[])
    axis.tick_params(length=0, colors=INK)
    for spine in axis.spines.values():
        spine.set_color('#dddddd')
