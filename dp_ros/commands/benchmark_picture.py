"""The picture of a delay benchmark: success, seams and flips over the delay."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from dp_ros import atomic

Row = Mapping[str, Any]
INK = '#2b2b2b'
COLOURS = ('#d95f02', '#1b6ca8', '#4a9c4f', '#8e5ea2', '#b8860b', '#c2185b', '#777777', '#17a2b8')
MARKS = 'osD^vP*X'
PANELS = (
    ('success', 'success [%]', 100.0),
    ('seam_ratio', 'seam ratio', 1.0),
    ('flips', 'mode flips [% of splices]', 100.0),
)
XLABELS = {'cell': 'added latency [ms]', 'gym': 'delay [steps of 0.1 s]'}
TITLES = {'cell': 'cell', 'gym': 'gym-pusht'}


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Write the picture: a line of panels for each task, a line in each for each strategy."""
    tasks = [task for task in XLABELS if any(row['task'] == task for row in rows)]
    names = list(dict.fromkeys(row['strategy'] for row in rows))
    figure, grid = plt.subplots(
        max(1, len(tasks)), 3, figsize=(13, 3.6 * max(1, len(tasks)) + 0.8), squeeze=False,
        layout='constrained',
    )  # fmt: skip
    for line, task in zip(grid, tasks):
        for axis, (key, label, factor) in zip(line, PANELS):
            _panel(axis, [row for row in rows if row['task'] == task], names, key, factor)
            axis.set(xlabel=XLABELS[task], ylabel=label)
        line[0].set_title(TITLES[task], loc='left', color=INK)
        line[0].set_ylim(0, 103)
        line[1].axhline(1.2, color='#bbbbbb', linewidth=1, linestyle=':', zorder=0)
        for axis in line[1:]:
            axis.set_ylim(bottom=0)
    handles = {h.get_label(): h for axis in grid.flat for h in axis.get_lines()}
    shown = [handles[name] for name in names if name in handles]
    figure.legend(handles=shown, loc='outside lower center', ncols=8, frameon=False)
    with atomic.replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format='png')
    plt.close(figure)


def _panel(axis: Axes, rows: Sequence[Row], names: list[str], key: str, factor: float) -> None:
    for i, name in enumerate(names):
        mine = [(_delay(row['delay']), row) for row in rows if row['strategy'] == name]
        mine.sort(key=lambda at: at[0])
        points = [(x, row) for x, row in mine if row[key] is not None]
        if not points:
            continue
        # Lines of equal height lie beside each other, not under each other.
        widest = max(_delay(row['delay']) for row in rows) or 1.0
        shift = (i - (len(names) - 1) / 2) * 0.006 * widest
        x = [x + shift for x, _ in points]
        y = [factor * row[key] for _, row in points]
        style: dict[str, Any] = {'color': COLOURS[i % 8], 'marker': MARKS[i % 8], 'markersize': 5}
        # A latency that jitters is no point of the line: it lies above the steady one of its mean.
        steady = ['+' not in row['delay'] for _, row in points]
        shapes: dict[bool, dict[str, Any]] = {
            True: {'linewidth': 1.6, 'label': name},
            False: {'linewidth': 0, 'fillstyle': 'none'},
        }
        for kind, shape in shapes.items():
            chosen = [(a, b) for a, b, s in zip(x, y, steady) if s is kind]
            axis.plot([a for a, _ in chosen], [b for _, b in chosen], **style, **shape)
        if key == 'success':
            low = [factor * row['success_low'] for _, row in points]
            high = [factor * row['success_high'] for _, row in points]
            axis.vlines(x, low, high, color=style['color'], linewidth=1, alpha=0.35)
    axis.grid(color='#eeeeee')
    axis.spines[['top', 'right']].set_visible(False)


def _delay(text: str) -> float:
    """Where a delay stands: one with jitter at its mean."""
    least, _, jitter = text.partition('+')
    return float(least) + float(jitter or 0) / 2
