"""How an arm follows its commands, as a picture: each beside the other, then with the lag out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from dp_ros import atomic

INK, MEASURED, PALE = '#2b2b2b', '#c8553d', '#8d99ae'
# A second or two are enough to see a tenth of one.
SHOWN_S = 2.5


def draw(found: Sequence[tuple[str, dict[str, Any]]], path: Path) -> None:
    """One row for each (name, figures of the measuring process)."""
    rows = len(found)
    figure, axes = plt.subplots(
        rows, 2, figsize=(12, 1.1 + 2.5 * rows), layout='constrained', squeeze=False, sharex='row'
    )
    for (name, figures), (left, right) in zip(found, axes, strict=True):
        lag = figures['lag_s']
        _lines(left, figures, 0.0)
        left.set_title(f'{name}: as it was', loc='left', fontsize=10)
        left.set_ylabel('x [mm]')
        _lines(right, figures, lag)
        residual = figures['residual_m'] * 1e3
        right.set_title(
            f'measured {lag * 1e3:.1f} ms earlier: {residual:.2f} mm rms are left',
            loc='left',
            fontsize=10,
        )
    axes[0, 0].legend(loc='upper right', frameon=False, fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel('time [s]')
    with atomic.replacing(path) as made:
        figure.savefig(made, dpi=110, format='png')
    plt.close(figure)


def _lines(axis: Axes, figures: dict[str, Any], lag: float) -> None:
    told, commands = _track(figures['commands'])
    known, states = _track(figures['states'])
    middle, begin = commands.mean(), told[0] + 0.4 * np.ptp(told)
    axis.axhline(0, color=PALE, linewidth=0.6)
    axis.plot(told, (commands - middle) * 1e3, color=INK, linewidth=1.2, label='commanded')
    axis.plot(
        known - lag, (states - middle) * 1e3, color=MEASURED, linewidth=1.2, label='measured'
    )
    axis.set_xlim(begin, begin + SHOWN_S)
    axis.spines[['top', 'right']].set_visible(False)


def _track(side: dict[str, Any]) -> tuple[Any, Any]:
    """Seconds (n,) and positions along x (n,)."""
    return np.array(side['seconds']), np.array(side['positions_m'])[:, 0]
