"""A picture of each table, redrawn from its rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dp_ros import atomic
from dp_ros.commands.benchmark_picture import COLOURS, INK, MARKS
from dp_ros.commands.evidence.ways_picture import panel

Row = Mapping[str, Any]
DIFFUSION, BASELINE, HUMAN = COLOURS[0], COLOURS[1], COLOURS[6]
SAMPLER_NAMES = {'ddim': 'DDIM', 'ddpm': 'DDPM', 'dpm_solver': 'DPM-Solver++',
                 'consistency': 'distilled'}  # fmt: skip


def methods(path: Path, rows: Sequence[Row]) -> None:
    """Score and success of each method."""
    with _by_method(path, rows, 'coverage above 95 % [% of episodes, 95 % interval]') as left:
        for place, row in enumerate(rows):
            colour, score = _colour(row), row['score']
            left.errorbar(score['mean'], place, xerr=2 * score['error'], fmt='o', color=colour,
                          markersize=6, linewidth=1.6)  # fmt: skip
            if len(row['scores']) > 1:
                left.plot(row['scores'], [place + 0.22] * len(row['scores']), '|', color=colour,
                          markersize=7, alpha=0.7)  # fmt: skip
        left.set(xlabel='score, ± two standard errors', xlim=(None, 1.02))


def rollouts(path: Path, rows: Sequence[Row]) -> None:
    """How each rollout ended, and how many ended well."""
    with _by_method(path, rows, 'as good as people [% of rollouts, 95 % interval]') as left:
        for place, row in enumerate(rows):
            colour = _colour(row)
            left.plot(row['ious'], [place] * len(row['ious']), '|', color=colour, markersize=9,
                      alpha=0.6)  # fmt: skip
            left.plot(row['iou'], place, 'o', color=colour, markersize=6)
        left.set(xlabel='last IoU: each rollout, and the mean', xlim=(-0.02, 1.0))


def samplers(path: Path, rows: Sequence[Row]) -> None:
    """Score over denoising steps, and over the time of a chunk."""
    with _figure(path, (11, 4.2)) as figure:
        over_steps, over_time = figure.subplots(1, 2, sharey=True)
        names = list(dict.fromkeys(row['sampler'] for row in rows))
        for i, name in enumerate(names):
            mine = [row for row in rows if row['sampler'] == name]
            steps = np.array([row['steps'] for row in mine]) * 1.03 ** (i - len(names) / 2 + 0.5)
            score = [row['score']['mean'] for row in mine]
            error = [row['score']['error'] for row in mine]
            style: dict[str, Any] = {'color': COLOURS[i], 'marker': MARKS[i], 'markersize': 5,
                                     'linewidth': 1.6, 'elinewidth': 1}  # fmt: skip
            label = SAMPLER_NAMES[name]
            over_steps.errorbar(steps, score, yerr=error, label=label, **style)
            over_time.errorbar([row['chunk_ms'] for row in mine], score, yerr=error, **style)
        over_steps.set(xlabel='denoising steps', ylabel='score, ± standard error')
        _log(over_steps, sorted({row['steps'] for row in rows}))
        over_time.set(xlabel='processor time of a chunk [ms]')
        _log(over_time, [1, 2, 5, 10, 20, 50, 100])
        for axis in (over_steps, over_time):
            _plain(axis)
        figure.legend(loc='outside lower center', ncols=4, frameon=False)


def horizons(path: Path, rows: Sequence[Row]) -> None:
    """Success and score over T_a and over the delay."""
    labels = {'action_steps': 'actions of a chunk that are executed, T_a',
              'delay_steps': 'delay [steps of 0.1 s]'}  # fmt: skip
    with _figure(path, (11, 6.6)) as figure:
        grid = figure.subplots(2, 2, sharey='row', sharex='col')
        for column, (varied, label) in zip(grid.T, labels.items()):
            mine = [row for row in rows if row['varied'] == varied]
            values = [row['value'] for row in mine]
            share, low, high = (
                100 * np.array([row['success'][part] for row in mine])
                for part in ('share', 'low', 'high')
            )
            column[0].plot(values, share, 'o-', color=DIFFUSION, linewidth=1.6, markersize=5)
            column[0].fill_between(values, low, high, color=DIFFUSION, alpha=0.15, linewidth=0)
            score, error = (
                np.array([row['score'][part] for row in mine]) for part in ('mean', 'error')
            )
            column[1].plot(values, score, 's-', color=BASELINE, linewidth=1.6, markersize=5)
            column[1].fill_between(values, score - error, score + error, color=BASELINE,
                                   alpha=0.15, linewidth=0)  # fmt: skip
            column[1].set(xlabel=label, xticks=values)
        grid[0, 0].set(ylabel='success [%], 95 % interval', ylim=(0, 103))
        grid[1, 0].set(ylabel='score, ± standard error')
        for axis in grid.flat:
            _plain(axis)


def modes(path: Path, rows: Sequence[Row]) -> None:
    """The ways of each method around the T."""
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    with _figure(path, (3.1 * columns, 4.4 * lines)) as figure:
        grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for axis, row in zip(grid.flat, rows):
            panel(axis, row['ways'])
            axis.set_title(_name(row), fontsize=11, color=INK)
        for axis in grid.flat[len(rows) :]:
            axis.axis('off')


def stability(path: Path, rows: Sequence[Row]) -> None:
    """Loss, action error and score over training: a column for each method."""
    with _figure(path, (5.2 * len(rows), 7.6)) as figure:
        grid = figure.subplots(3, len(rows), sharex='col', squeeze=False)
        for column, row in zip(grid.T, rows):
            loss, error, score = column
            for name, colour, label in (
                ('loss', COLOURS[6], 'training'),
                ('validation_loss', DIFFUSION, 'validation'),
            ):
                _curve(loss, row['curves'].get(name, []), colour, label)
            _curve(error, row['curves'].get('error', []), BASELINE, None)
            steps = [point['step'] for point in row['points']]
            mean = np.array([point['score']['mean'] for point in row['points']])
            spread = np.array([point['score']['error'] for point in row['points']])
            score.plot(steps, mean, 'o-', color=COLOURS[2], linewidth=1.6, markersize=4)
            score.fill_between(steps, mean - spread, mean + spread, color=COLOURS[2], alpha=0.15,
                               linewidth=0)  # fmt: skip
            score.set(xlabel='training steps', ylim=(None, 1.01))
            error.set_ylim(bottom=0)
            loss.set_yscale('log')
            loss.set_title(row['title'], loc='left', color=INK)
            for axis in column:
                _plain(axis)
        for axis, label in zip(
            grid[:, 0], ('loss', 'action error [px]', 'score, ± standard error')
        ):
            axis.set_ylabel(label)
        grid[0, 0].legend(frameon=False)


def dimensions(path: Path, rows: Sequence[Row]) -> None:
    """Success, and the time of a chunk, over the numbers in an action."""
    with _figure(path, (11, 1.5 + 0.5 * len(rows))) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for place, row in enumerate(rows):
            _rate(left, place, row['success'], DIFFUSION)
            right.barh(place, row['chunk_ms'] or 0, height=0.4, color=BASELINE)
        left.set_yticks(range(len(rows)), [f'{row["size"]}: {row["title"]}' for row in rows])
        left.invert_yaxis()
        left.set(xlabel='success [% of episodes, 95 % interval]')
        right.set(xlabel='processor time of a chunk [ms]')
        for axis in (left, right):
            _plain(axis)


@contextmanager
def _by_method(path: Path, rows: Sequence[Row], success: str) -> Iterator[Axes]:
    """A line for each method: what is drawn on the left, and the rates of success on the right."""
    with _figure(path, (11, 1.5 + 0.42 * len(rows))) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for place, row in enumerate(rows):
            _rate(right, place, row['success'], _colour(row))
        left.set_yticks(range(len(rows)), [_name(row) for row in rows])
        left.invert_yaxis()
        right.set(xlabel=success)
        for axis in (left, right):
            _plain(axis)
        yield left


def _rate(axis: Axes, place: float, found: Mapping[str, Any], colour: str) -> None:
    """A share with its interval, in percent."""
    low, middle, high = (100 * found[part] for part in ('low', 'share', 'high'))
    axis.plot([low, high], [place, place], color=colour, linewidth=1.6)
    axis.plot(middle, place, 'o', color=colour, markersize=6)
    axis.set_xlim(-3, 103)


def _curve(axis: Axes, points: Sequence[Sequence[float]], colour: str, label: str | None) -> None:
    if points:
        axis.plot(*np.array(points).T, color=colour, linewidth=1.4, label=label,
                  marker='o' if len(points) < 20 else None, markersize=3)  # fmt: skip


def _log(axis: Axes, ticks: Sequence[float]) -> None:
    axis.set(xscale='log')
    low, high = axis.get_xlim()
    shown = [tick for tick in ticks if low <= tick <= high]
    axis.set_xticks(shown, [f'{tick:g}' for tick in shown])
    axis.minorticks_off()


def _colour(row: Row) -> str:
    if row['method'] == 'human':
        return HUMAN
    return DIFFUSION if row['title'].startswith('Diffusion') else BASELINE


def _name(row: Row) -> str:
    return f'{row["title"]}, velocity' if row['control'] == 'velocity' else str(row['title'])


def _plain(axis: Axes) -> None:
    axis.grid(color='#eeeeee')
    axis.set_axisbelow(True)
    axis.spines[['top', 'right']].set_visible(False)
    axis.tick_params(colors=INK, length=3)


@contextmanager
def _figure(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """A figure that becomes the file `path`, whole or not at all."""
    figure = plt.figure(figsize=size, layout='constrained')
    try:
        yield figure
        with atomic.replacing(path) as temporary:
            figure.savefig(temporary, dpi=110, format='png')
    finally:
        plt.close(figure)


DRAW: dict[str, Callable[[Path, Sequence[Row]], None]] = {
    'methods': methods,
    'rollouts': rollouts,
    'samplers': samplers,
    'horizons': horizons,
    'modes': modes,
    'stability': stability,
    'dimensions': dimensions,
}
