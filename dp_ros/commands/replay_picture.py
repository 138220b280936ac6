"""A lock-step replay as a picture: prediction over truth, and how far they lie apart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from dp_ros import atomic
from dp_ros.commands.mode_colours import colour_of
from dp_ros.core.stamped import Array
from dp_ros.data.command_track import as_action
from dp_ros.replay import comparison
from dp_ros.replay.comparison import POSITION, Measure
from dp_ros.replay.lockstep import Planned
from dp_ros.replay.recording import Series
from dp_ros.replay.replay import Replay
from dp_ros.task import CartesianAction

COMMANDED, MEASURED, PREDICTED, INK = '#d95f02', '#1b6ca8', '#2b2b2b', '#2b2b2b'
REFUSED = '#c2185b'
MOST_COMPONENTS = 7
SHADE = 0.16


def draw(path: Path, replay: Replay) -> None:
    """Write the picture: the path in the plane, each component over time, errors by step."""
    names = replay.task.action.components[:MOST_COMPONENTS]
    plane = [i for i, name in enumerate(names) if name in POSITION][:2]
    rows = len(names) + 1
    wide = len(plane) == 2
    figure = plt.figure(figsize=(15 if wide else 10, 2.3 * rows + 1.4), layout='constrained')
    grid = figure.add_gridspec(rows, 2 if wide else 1, width_ratios=[1, 1.5] if wide else [1])
    column = 1 if wide else 0
    if wide:
        _plane(figure.add_subplot(grid[:, 0]), replay, plane)
    shared: Axes | None = None
    for i in range(len(names)):
        axis = figure.add_subplot(grid[i, column], sharex=shared)
        shared = shared or axis
        _component(axis, replay, i, last=i == len(names) - 1)
    _errors(figure.add_subplot(grid[-1, column]), replay)
    figure.align_ylabels()
    figure.suptitle(f'{replay.bag} against {replay.checkpoint}, in lock-step', color=INK)
    figure.legend(handles=_handles(replay), loc='outside lower center', ncols=7, frameon=False)
    with atomic.replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def _plane(axis: Axes, replay: Replay, plane: list[int]) -> None:
    """The path in the plane of the first two predicted positions [mm]."""
    names = [replay.task.action.components[i] for i in plane]
    columns = [POSITION.index(name) for name in names]
    for series, style in _recorded(replay):
        axis.plot(*(series.values[:, columns].T * 1e3), **style)
    for planned, _, values in _predictions(replay):
        axis.plot(*(values[:, plane].T * 1e3), **_thin(planned))
        axis.plot(*(values[:1, plane].T * 1e3), **_dot(planned))
    axis.set(xlabel=f'{names[0]} [mm]', ylabel=f'{names[1]} [mm]', aspect='equal')
    axis.set_title('path', fontsize=11, color=INK)
    axis.margins(0.06)
    axis.grid(color='#eeeeee')


def _component(axis: Axes, replay: Replay, index: int, last: bool) -> None:
    """One predicted component over time."""
    name = replay.task.action.components[index]
    scale, unit = (1e3, 'mm') if name in POSITION else (1.0, 'rad')
    for stretch in replay.recording.stretches:
        span = _seconds(replay, [stretch.begin_ns, stretch.end_ns])
        axis.axvspan(*span, color=colour_of(stretch.mode), alpha=SHADE, linewidth=0)
    for series, style in _recorded(replay):
        values = as_action(replay.task, series.values)[:, index] * scale
        axis.plot(_seconds(replay, series.stamps_ns), values, **style)
    for planned, due, values in _predictions(replay):
        axis.plot(_seconds(replay, due), values[:, index] * scale, **_thin(planned))
        axis.plot(_seconds(replay, due[:1]), values[:1, index] * scale, **_dot(planned))
    axis.set_ylabel(f'{name} [{unit}]')
    axis.margins(x=0.01)
    axis.grid(color='#eeeeee')
    if last:
        axis.set_xlabel('time [s]')
    else:
        axis.tick_params(labelbottom=False)


def _errors(axis: Axes, replay: Replay) -> None:
    """Errors by step of the horizon: median, and the bands up to the 90th percentile."""
    axis.set(xlabel='step of the horizon (0: decided at the anchor)')
    axis.grid(color='#eeeeee')
    measures = [m for m in replay.measures if m.executed().count]
    if not measures:
        axis.text(
            0.5, 0.5, 'no recorded command to compare with',
            transform=axis.transAxes, ha='center', va='center', color=INK,
        )  # fmt: skip
        return
    for measure, colour in zip(measures, (MEASURED, COMMANDED), strict=False):
        _band(axis, measure, colour)
    first = measures[0]
    axis.axvspan(-0.5, first.action_steps - 0.5, color='#f4f4ef', zorder=0)
    units = ', '.join(f'{m.name} [{m.unit}]' for m in measures)
    axis.set(ylabel=f'error, {units}', xlim=(first.steps[0] - 0.5, first.steps[-1] + 0.5))
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, fontsize=9, loc='upper left')


def _band(axis: Axes, measure: Measure, colour: str) -> None:
    found = measure.by_step()
    median = [errors.p50 for errors in found]
    most = [errors.p90 for errors in found]
    label = f'{measure.name}: median, 90th percentile, largest (dotted)'
    axis.fill_between(measure.steps, median, most, color=colour, alpha=0.25, linewidth=0)
    axis.plot(measure.steps, median, color=colour, marker='o', markersize=3, label=label)
    largest = [errors.largest for errors in found]
    axis.plot(measure.steps, largest, color=colour, linewidth=0.8, linestyle=':')


def _recorded(replay: Replay) -> Iterator[tuple[Series, dict[str, Any]]]:
    recording = replay.recording
    if _cartesian(replay) and len(recording.tip.stamps_ns):
        yield recording.tip, {'color': MEASURED, 'linewidth': 1.0, 'zorder': 2}
    if len(recording.commands.stamps_ns):
        yield recording.commands, {'color': COMMANDED, 'linewidth': 2.2, 'zorder': 1}


def _predictions(replay: Replay) -> Iterator[tuple[Planned, NDArray[np.int64], Array]]:
    """Each prediction from its splice on: due times and components; all of it, if it is past."""
    for planned in replay.outcome.planned:
        chunk = planned.plan.chunk
        if chunk is None:
            due = comparison.due_ns(planned, replay.task)
            yield planned, due, as_action(replay.task, planned.plan.waypoints)
        else:
            due = np.array(chunk.stamps_ns, np.int64)
            yield planned, due, as_action(replay.task, chunk.waypoints)


def _thin(planned: Planned) -> dict[str, Any]:
    if planned.verdict == 'accepted':
        return {'color': PREDICTED, 'linewidth': 0.7, 'alpha': 0.75, 'zorder': 3}
    return {'color': REFUSED, 'linewidth': 1.1, 'alpha': 0.9, 'zorder': 4}


def _dot(planned: Planned) -> dict[str, Any]:
    return {**_thin(planned), 'marker': 'o', 'markersize': 2.5, 'linestyle': 'none'}


def _handles(replay: Replay) -> list[Line2D | Patch]:
    made: list[Line2D | Patch] = [
        Line2D([], [], color=COMMANDED, linewidth=2.2, label='recorded command'),
        Line2D([], [], color=PREDICTED, linewidth=0.9, marker='o', markersize=3,
               label='prediction from its splice (dot) on'),
    ]  # fmt: skip
    if _cartesian(replay) and len(replay.recording.tip.stamps_ns):
        made.insert(1, Line2D([], [], color=MEASURED, linewidth=1.0, label='measured tip'))
    if any(planned.verdict != 'accepted' for planned in replay.outcome.planned):
        made.append(Line2D([], [], color=REFUSED, linewidth=1.1, label='not accepted'))
    modes = dict.fromkeys(stretch.mode for stretch in replay.recording.stretches)
    made += [Patch(color=colour_of(mode), alpha=SHADE, label=mode) for mode in modes]
    return made


def _seconds(replay: Replay, stamps_ns: object) -> NDArray[np.float64]:
    seconds: NDArray[np.float64] = (
        np.asarray(stamps_ns, np.int64) - replay.recording.begin_ns
    ) / 1e9
    return seconds


def _cartesian(replay: Replay) -> bool:
    return isinstance(replay.task.action, CartesianAction)
