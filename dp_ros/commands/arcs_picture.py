"""The teaching example as a picture: from noise to a path, and the paths that were taken."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import NDArray

from dp_ros import atomic
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.sim import arcs

CHUNKS = 24
SHOWN = 5


def draw(policy: DiffusionPolicy, paths: Sequence[list[NDArray[np.float64]]], out: Path) -> None:
    """Panels of the denoising of 24 chunks from the start, and a last one with the rollouts."""
    steps, chunks = denoise_from_start(policy)
    shown = np.linspace(0, len(steps) - 1, SHOWN).round().astype(int)
    figure, axes = plt.subplots(1, SHOWN + 1, figsize=(3.1 * (SHOWN + 1), 3.5), sharey=True)
    for axis, index in zip(axes, shown, strict=False):
        for chunk in chunks[index]:
            axis.plot(*chunk.T, color='#d95f02', linewidth=0.8, alpha=0.7)
        level = f'step {steps[index]}' if steps[index] >= 0 else 'clean'
        axis.set_title('noise' if index == 0 else level)
    for path in paths:
        axes[-1].plot(*np.array(path).T, color='#1b6ca8', linewidth=0.8, alpha=0.7)
    axes[-1].set_title(f'{len(paths)} rollouts')
    for axis in axes:
        for upper in (True, False):
            axis.plot(*arcs.arc(upper).T, color='#999999', linewidth=0.8, linestyle='--', zorder=0)
        axis.plot(*arcs.START, 'o', color='#222222', markersize=4)
        axis.plot(*arcs.GOAL, '*', color='#222222', markersize=8)
        axis.set(xlim=(-60, 1060), ylim=(150, 850), aspect='equal', xticks=[0, 500, 1000])
    figure.suptitle('An action chunk is denoised from noise to one of the two arcs')
    figure.tight_layout()
    with atomic.replacing(out) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def denoise_from_start(policy: DiffusionPolicy) -> tuple[list[int], list[NDArray[np.float64]]]:
    """Denoising steps (noisiest first, -1 = clean) and the chunks (24, T_p, 2) at each of them."""
    window = np.repeat(arcs.START[None], policy.task.horizons.observation, axis=0)
    seen = torch.from_numpy(window).float().expand(CHUNKS, -1, -1)
    noise = torch.randn(CHUNKS, *policy.noise_shape, generator=torch.Generator().manual_seed(0))
    steps, stages = [policy.inference_steps[0]], [noise]

    def watch(step: int, x: torch.Tensor) -> None:
        steps.append(step)
        stages.append(x)

    policy.predict(seen, noise, watch=watch)
    return steps, [policy.decode(seen, stage).numpy() for stage in stages]
