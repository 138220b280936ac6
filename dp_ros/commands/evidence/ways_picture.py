"""Ways around the T, as in figure 3 of Chi et al. 2023: each in the colour of its side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Polygon

from dp_ros.sim import pusht, stem

COLOURS = {'left': '#2a6f97', 'right': '#c8553d', 'straight': '#6d6d6d', 'undecided': '#b8860b'}
SHOWN_STEPS = 30
"""3 s: until the far side of the T is reached."""


def panel(axis: Axes, ways: Sequence[Mapping[str, Any]]) -> None:
    """The T as the agent sees it, and the `ways` (points across and along the stem, px)."""
    outline = pusht.OUTLINE / pusht.PIXEL_M
    axis.add_patch(Polygon(outline, facecolor='#e4e4e4', edgecolor='#9a9a9a', zorder=0))
    for way in ways:
        points = np.array(way['points'])[: SHOWN_STEPS + 1]
        axis.plot(*points.T, color=COLOURS[way['side']], linewidth=1, alpha=0.6)
    start = (0, stem.AGENT_ALONG)
    axis.add_patch(Circle(start, stem.TIP_RADIUS, facecolor='#2b2b2b', zorder=3))
    axis.set(xlim=(-170, 170), ylim=(stem.AGENT_ALONG + 40, -130), aspect='equal')
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(_count(ways), fontsize=9)
    for spine in axis.spines.values():
        spine.set_color('#dddddd')


def _count(ways: Sequence[Mapping[str, Any]]) -> str:
    parts = [(side, sum(way['side'] == side for way in ways)) for side in COLOURS]
    return ', '.join(f'{count} {side}' for side, count in parts if count)
