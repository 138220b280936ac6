"""The teaching example as a picture: from noise to a path, and the paths that were taken."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dp_ros import atomic
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.sim import arcs

CHUNKS = 24
NEAR = 20.0
# abar at which the chunks are shown, from pure noise to the clean chunk.
SHOWN = (0.0, 0.5, 0.9, 0.98, 1.0)
INK, PALE, UPPER, LOWER = '#2b2b2b', '#b8b8b8', '#c8553d', '#2a6f97'
ROOM = {'xlim': (-70, 1070), 'ylim': (200, 800)}


def draw(policy: DiffusionPolicy, paths: Sequence[list[NDArray[np.float64]]], out: Path) -> None:
    """Above, the denoising of 24 chunks from the start; below, the rollouts.

    Everything wears the colour of the arc that it ends up on.
    """
    levels, chunks = denoise_from_start(policy)
    shown = [int(np.abs(np.array(levels) - wanted).argmin()) for wanted in SHOWN]
    colours = [_colour(chunk[:, 1].mean()) for chunk in chunks[-1]]
    figure = plt.figure(figsize=(13, 8.6), layout='constrained')
    rows = figure.add_gridspec(2, len(SHOWN), height_ratios=[1, 2.6])
    for column, index in enumerate(shown):
        axis = figure.add_subplot(rows[0, column])
        _room(axis)
        for chunk, colour in zip(chunks[index], colours, strict=True):
            axis.plot(*chunk.T, color=colour, linewidth=0.6, alpha=0.3)
            axis.plot(*chunk.T, '.', color=colour, markersize=3, alpha=0.8)
        axis.set(xticks=[], yticks=[])
        axis.set_title(_title(index, len(levels)), fontsize=11, color=INK)
    axis = figure.add_subplot(rows[1, :])
    _room(axis)
    for path in paths:
        points = np.array(path)
        axis.plot(*points.T, color=_colour(points[:, 1].mean()), linewidth=1.0, alpha=0.6)
    up = sum(np.array(path)[:, 1].mean() > arcs.START[1] for path in paths)
    axis.text(500, 745, f'{up} took the upper arc', color=UPPER, ha='center', fontsize=12)
    axis.text(500, 240, f'{len(paths) - up} the lower one', color=LOWER, ha='center', fontsize=12)
    axis.text(500, 500, 'the average of both:\nnobody went here', color='#8a8a8a', ha='center',
              va='center', fontsize=11)  # fmt: skip
    axis.annotate(
        'start', tuple(arcs.START), (0, -18), textcoords='offset points', ha='center', color=INK
    )
    axis.annotate(
        'goal', tuple(arcs.GOAL), (0, -18), textcoords='offset points', ha='center', color=INK
    )
    axis.set_title(f'{len(paths)} rollouts, each with its own noise', fontsize=13, color=INK)
    axis.set(xlabel='x', ylabel='y', xticks=[0, 250, 500, 750, 1000], yticks=[300, 500, 700])
    axis.tick_params(colors=INK, length=3)
    figure.suptitle(
        f'{CHUNKS} action chunks from one start: the noise decides which arc each is denoised to',
        fontsize=14,
        color=INK,
    )
    with atomic.replacing(out) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def share_on_an_arc(policy: DiffusionPolicy, count: int = 400) -> float:
    """Share of chunks from the start whose last action is as good as on one of the arcs."""
    seen, noise = _start(policy, count)
    x, y = policy.predict(Observations(seen), noise)[:, -1].double().numpy().T
    heights = np.interp(x, *arcs.arc(upper=True).T) - arcs.START[1]
    return float((np.abs(np.abs(y - arcs.START[1]) - heights) < NEAR).mean())


def denoise_from_start(policy: DiffusionPolicy) -> tuple[list[float], list[NDArray[np.float64]]]:
    """abar at each stage (noise first, 1 = clean) and the chunks (24, T_p, 2) there."""
    seen, noise = _start(policy, CHUNKS)
    levels, stages = [policy.schedule.alpha_bar(policy.inference_steps[0])], [noise]

    def watch(step: int, x: torch.Tensor) -> None:
        levels.append(policy.schedule.alpha_bar(step))
        stages.append(x)

    policy.predict(Observations(seen), noise, watch=watch)
    return levels, [policy.decode(seen, stage).numpy() for stage in stages]


def _start(policy: DiffusionPolicy, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows (count, T_o, 2) of an arm at rest at the start, and their noise."""
    window = np.repeat(arcs.START[None], policy.task.horizons.observation, axis=0)
    seen = torch.from_numpy(window).float().expand(count, -1, -1)
    generator = torch.Generator().manual_seed(0)
    return seen, torch.randn(count, *policy.noise_shape, generator=generator)


def _room(axis: Axes) -> None:
    """The two arcs, the start and the goal."""
    for upper in (True, False):
        axis.plot(*arcs.arc(upper).T, color=PALE, linewidth=1.0, linestyle=(0, (4, 3)), zorder=0)
    axis.plot(*arcs.START, 'o', color=INK, markersize=5, zorder=3)
    axis.plot(*arcs.GOAL, '*', color=INK, markersize=10, zorder=3)
    axis.set(**ROOM, aspect='equal')
    for spine in axis.spines.values():
        spine.set_color('#dddddd')


def _colour(height: float) -> str:
    return UPPER if height > arcs.START[1] else LOWER


def _title(stage: int, stages: int) -> str:
    if stage == 0:
        return 'noise'
    return 'clean' if stage == stages - 1 else f'after {stage} of {stages - 1} steps'
