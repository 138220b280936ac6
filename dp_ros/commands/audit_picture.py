"""Audited episodes side by side: one bar each, so that the bad one is seen at a glance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from dp_ros import atomic
from dp_ros.commands.mode_colours import COLOURS, colour_of
from dp_ros.data.audit import Audit, Thresholds

INK, CALM, WRONG = '#2b2b2b', '#7d9bb3', '#c8553d'
UNREAD: dict[str, Any] = {
    'facecolor': '#f7e4df',
    'edgecolor': WRONG,
    'hatch': '////',
    'linewidth': 0,
    'zorder': 0,
}
# Where there are more, only those with complaints are named.
MOST_NAMED = 40


@dataclass(frozen=True)
class Panel:
    """One figure of every episode, and where complaints begin."""

    title: str
    value: Callable[[Audit], float]
    threshold: float


def draw(rows: Sequence[object], names: Sequence[str], thresholds: Thresholds, out: Path) -> None:
    """A panel for each figure, a bar for each episode; what is no Audit could not be read."""
    panels = _panels(thresholds)
    audits = [row if isinstance(row, Audit) else None for row in rows]
    width = min(22.0, max(9.0, 3.0 + 0.22 * len(rows)))
    heights = [1.3, *[1.0] * len(panels)]
    figure, axes = plt.subplots(
        len(heights), 1, figsize=(width, 1.0 + 1.25 * len(heights)), sharex=True,
        layout='constrained', height_ratios=heights,
    )  # fmt: skip
    _modes(axes[0], audits)
    for axis, panel in zip(axes[1:], panels, strict=True):
        _bars(axis, panel, audits)
    for axis in axes:
        _dress(axis, audits)
    _name_episodes(axes[-1], audits, names)
    wrong = sum(audit is None or bool(audit.complaints) for audit in audits)
    figure.suptitle(
        f'{len(rows)} episodes, {wrong} with complaints', fontsize=13, color=INK, x=0.01, ha='left'
    )
    with atomic.replacing(out) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def _panels(allowed: Thresholds) -> list[Panel]:
    def worst(values: Sequence[float]) -> float:
        return max(values, default=0.0)

    return [
        Panel(
            'windows lost [%]', lambda a: 100 * a.windows.lost, 100 * allowed.windows_lost
        ),
        Panel(
            'samples missing [%]', lambda a: 100 * worst([s.drops for s in a.streams]),
            100 * allowed.drops,
        ),
        Panel('largest gap [ms]', lambda a: worst([s.gap_ms for s in a.streams]), allowed.gap_ms),
        Panel(
            'latency, p99 [ms]',
            lambda a: worst([s.latency.p99 for s in a.streams if s.latency]), allowed.latency_ms,
        ),
        Panel('longest idle [s]', lambda a: a.idle_longest_s, allowed.idle_s),
        Panel(
            'at a limit [%]', lambda a: 100 * a.limited_share, 100 * allowed.limited
        ),
    ]  # fmt: skip


def _modes(axis: Axes, audits: Sequence[Audit | None]) -> None:
    """Seconds of each episode, stacked by who commanded."""
    seen = {mode for audit in audits if audit for mode in audit.modes}
    for mode in [mode for mode in COLOURS if mode in seen] + sorted(seen - COLOURS.keys()):
        heights = [audit.modes.get(mode, 0.0) if audit else 0.0 for audit in audits]
        below = [_before(audit, mode) for audit in audits]
        axis.bar(range(len(audits)), heights, bottom=below, width=0.8, color=colour_of(mode))
    handles = [Patch(color=colour_of(mode), label=mode) for mode in COLOURS if mode in seen]
    if None in audits:
        handles.append(Patch(**UNREAD, label='unreadable'))
    axis.legend(
        handles=handles, loc='lower right', bbox_to_anchor=(1, 1), ncols=len(handles) or 1,
        frameon=False, fontsize=9, labelcolor=INK, borderaxespad=0.1, handlelength=1,
    )  # fmt: skip
    axis.set_title('seconds, by mode', loc='left', fontsize=10, color=INK)
    axis.set_ylim(bottom=0)


def _before(audit: Audit | None, mode: str) -> float:
    """Seconds in the modes that are stacked below `mode`."""
    if audit is None:
        return 0.0
    order = [*COLOURS, *sorted(audit.modes.keys() - COLOURS.keys())]
    below = order[: order.index(mode)] if mode in order else []
    return sum(audit.modes.get(name, 0.0) for name in below)


def _bars(axis: Axes, panel: Panel, audits: Sequence[Audit | None]) -> None:
    values = [panel.value(audit) if audit else 0.0 for audit in audits]
    colours = [WRONG if value > panel.threshold else CALM for value in values]
    axis.bar(range(len(values)), values, width=0.8, color=colours)
    axis.axhline(panel.threshold, color=WRONG, linewidth=0.8, linestyle=(0, (4, 3)))
    axis.set_title(panel.title, loc='left', fontsize=10, color=INK)
    axis.set_ylim(0, 1.15 * max(panel.threshold, *values) or 1)


def _dress(axis: Axes, audits: Sequence[Audit | None]) -> None:
    """Columns of unreadable episodes are grey; the rest of the frame is taken away."""
    for number, audit in enumerate(audits):
        if audit is None:
            axis.axvspan(number - 0.4, number + 0.4, **UNREAD)
    axis.spines[['top', 'right', 'left']].set_visible(False)
    axis.spines['bottom'].set_color('#bbbbbb')
    axis.tick_params(colors=INK, labelsize=8, length=0)
    axis.grid(axis='y', color='#e8e8e8', linewidth=0.6)
    axis.set_axisbelow(True)
    axis.locator_params(axis='y', nbins=4)
    axis.set_xlim(-0.6, max(len(audits), 4) - 0.4)


def _name_episodes(axis: Axes, audits: Sequence[Audit | None], names: Sequence[str]) -> None:
    """Names under the last panel: of all, or where there are many of those to look at."""
    wrong = [n for n, audit in enumerate(audits) if audit is None or audit.complaints]
    many = len(names) > MOST_NAMED
    named = (wrong if len(wrong) <= MOST_NAMED else []) if many else range(len(names))
    axis.set_xticks(list(named), [names[n] for n in named], fontsize=8)
    for label, number in zip(axis.get_xticklabels(), named, strict=True):
        across = 'center' if many else 'top'
        label.set(rotation=90 if many else 30, ha='right', va=across, rotation_mode='anchor')
        label.set_color(WRONG if number in wrong else INK)
