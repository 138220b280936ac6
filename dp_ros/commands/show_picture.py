"""One episode at a glance: a strip of frames, curves over time, who commanded, what occurred."""

from pathlib import Path

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patches import Patch

from dp_ros import atomic
from dp_ros.commands.mode_colours import COLOURS, colour_of
from dp_ros.data.pictures import Pixels
from dp_ros.data.story.story import Curve, Story

WIDTH = 15.0
INK, STOP = '#2b2b2b', '#c8553d'
SEEN = ('#1f4e6e', '#3f7d3a', '#7a4b94', '#8a6d1d', '#146c6c', '#7d3c4a')
COMMANDED = '#d1495b'


def draw(story: Story, out: Path) -> None:
    """Write the picture `out`, whole or not at all."""
    film = {camera: frames for camera, frames in story.film.items() if frames}
    shapes = [frames[0][1].shape for frames in film.values()]
    columns = max((len(frames) for frames in film.values()), default=1)
    strips = [WIDTH / columns * shape[0] / shape[1] + 0.2 for shape in shapes]
    marks = [0.25 + 0.22 * len(story.marks)] if story.marks else []
    heights = [*strips, *[1.15] * len(story.panels), *marks]
    figure = plt.figure(figsize=(WIDTH, 1.0 + sum(heights)), layout='constrained')
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    for row, (camera, frames) in enumerate(film.items()):
        for column, (time, frame) in enumerate(frames):
            _frame(figure.add_subplot(grid[row, column]), camera, time, frame, column, story.unit)
    axes = _curves(figure, grid, len(film), story)
    if story.marks:
        _marks(figure.add_subplot(grid[-1, :], sharex=axes[0] if axes else None), story)
    figure.suptitle(f'{story.title}, {_amount(story)}', x=0.01, ha='left', color=INK, fontsize=13)
    modes = dict.fromkeys(stretch.mode for stretch in story.stretches)
    handles = [Patch(color=colour_of(mode), label=mode) for mode in COLOURS if mode in modes]
    if handles:
        figure.legend(
            handles=handles, loc='upper right', ncols=len(handles), frameon=False, fontsize=10
        )
    with atomic.replacing(out) as temporary:
        figure.savefig(temporary, dpi=100)
    plt.close(figure)


def _amount(story: Story) -> str:
    return f'{story.end:.1f} s' if story.unit == 's' else f'{story.end:.0f} {story.unit}'


def _frame(axis: Axes, camera: str, time: float, frame: Pixels, column: int, unit: str) -> None:
    axis.imshow(frame)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    told = f'{time:.1f} s' if unit == 's' else f'step {time:.0f}'
    axis.set_title(told, fontsize=9, color=INK, pad=2)
    if column == 0:
        axis.set_ylabel(camera, fontsize=10, color=INK)


def _curves(figure: Figure, grid: GridSpec, row: int, story: Story) -> list[Axes]:
    axes: list[Axes] = []
    for title, curves in story.panels.items():
        axis = figure.add_subplot(grid[row + len(axes), :], sharex=axes[0] if axes else None)
        axes.append(axis)
        _background(axis, story)
        for number, curve in enumerate(curves):
            _curve(axis, curve, SEEN[number % len(SEEN)])
        axis.set_title(title, loc='left', fontsize=10, color=INK, pad=3)
        axis.grid(axis='y', color='#ffffff', linewidth=0.6)
        axis.margins(y=0.12)
        axis.set_xlim(0, story.end)
        last = len(axes) == len(story.panels) and not story.marks
        _dress(axis, story.unit if last else '')
        if len(curves) > 1:
            axis.legend(
                loc='lower right', bbox_to_anchor=(1, 1), ncols=len(curves), frameon=False,
                fontsize=9, labelcolor=INK, borderaxespad=0.1, handlelength=1.6,
            )  # fmt: skip
    return axes


def _curve(axis: Axes, curve: Curve, colour: str) -> None:
    if curve.commanded:
        axis.plot(
            curve.times, curve.values, color=COMMANDED, linewidth=1.1, linestyle=(0, (3, 1.5)),
            label=curve.label, zorder=3,
        )  # fmt: skip
    else:
        axis.plot(curve.times, curve.values, color=colour, linewidth=1.4, label=curve.label)


def _background(axis: Axes, story: Story) -> None:
    """Who commanded, and where the arm was stopped."""
    for stretch in story.stretches:
        axis.axvspan(
            stretch.begun_s,
            stretch.ended_s,
            color=colour_of(stretch.mode),
            alpha=0.28,
            linewidth=0,
        )
    for begun, _ in story.marks.get('stop', ()):
        axis.axvline(begun, color=STOP, linewidth=1.6)


def _marks(axis: Axes, story: Story) -> None:
    """A row for each kind of occurrence."""
    for row, (name, spans) in enumerate(story.marks.items()):
        colour = STOP if name == 'stop' else INK if name.startswith('chunk') else '#d98324'
        moments = [begun for begun, ended in spans if begun == ended]
        axis.plot(moments, [row] * len(moments), '|', color=colour, markersize=9)
        lasting = [(begun, ended - begun) for begun, ended in spans if begun != ended]
        axis.broken_barh(lasting, (row - 0.3, 0.6), facecolors=colour, linewidth=0)
    axis.set_yticks(range(len(story.marks)), list(story.marks))
    axis.set_ylim(len(story.marks) - 0.4, -0.6)
    axis.set_xlim(0, story.end)
    _dress(axis, story.unit)


def _dress(axis: Axes, unit: str) -> None:
    axis.spines[['top', 'right', 'left']].set_visible(False)
    axis.spines['bottom'].set_color('#bbbbbb')
    axis.tick_params(colors=INK, labelsize=8, length=2, labelbottom=bool(unit))
    if unit:
        axis.set_xlabel(f'time [{unit}]', fontsize=9, color=INK)
