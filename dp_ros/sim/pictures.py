"""The demo's pictures: paths with their chunk seams, and the film of the cell."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from rich.progress import track

from dp_ros import atomic
from dp_ros.sim import pusht
from dp_ros.sim.episode_record import EpisodeRecord
from dp_ros.sim.render import SceneRenderer
from dp_ros.sim.video import write_video

FRAME_RATE_HZ = 12
WIDTH, HEIGHT = 640, 480
INSET_WIDTH, INSET_HEIGHT, BORDER_PX = 160, 120, 8
TRAIL_S = 4.0


def draw_trajectory(path: Path, records: Sequence[EpisodeRecord]) -> None:
    """Commanded and actual path of the tip over the table, one panel an episode."""
    columns = min(len(records), 3)
    rows = -(-len(records) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(5.2 * columns, 5.4 * rows), squeeze=False, layout='constrained'
    )
    for axis in axes.flat[len(records) :]:
        axis.axis('off')
    for axis, record in zip(axes.flat, records, strict=False):
        _panel(axis, record)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=len(labels), frameon=False)
    with atomic.replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def _panel(axis: Axes, record: EpisodeRecord) -> None:
    def outline(pose: NDArray[np.float64], **style: Any) -> None:
        axis.fill(*pusht.block_outline(pose).T * 1e3, **style)

    outline(pusht.GOAL_POSE, color='#9fd6b2', label='goal')
    command, tip, block = record.command.array(), record.tip.array(), record.block.array()
    if len(block):
        outline(block[0], fill=False, edgecolor='#999999', linestyle='--', label='T at the start')
        outline(block[-1], fill=False, edgecolor='#3f5f9f', linewidth=1.6, label='T at the end')
    if len(command):
        axis.plot(*command[:, :2].T * 1e3, color='#d95f02', linewidth=1.4, label='commanded')
    if len(tip):
        axis.plot(*tip[:, :2].T * 1e3, color='#1b6ca8', linewidth=1.0, label='actual')
    seams = [record.command.at(stamp) for stamp in record.splices_ns]
    points = np.array([seam for seam in seams if seam is not None])
    if len(points):
        axis.plot(*points[:, :2].T * 1e3, '|', color='#222222', markersize=7, label='chunk seams')
    axis.set(
        title=f'seed {record.seed}: coverage {record.coverage_max:.3f}, {record.duration_s:.1f} s',
        xlabel='x [mm]',
        ylabel='y [mm]',
        aspect='equal',
    )
    low, high = pusht.SQUARE_LOW * 1e3, pusht.SQUARE_HIGH * 1e3
    axis.set_xlim(low[0], high[0])
    axis.set_ylim(low[1], high[1])


def film(path: Path, records: Sequence[EpisodeRecord], cameras: Sequence[str] = ()) -> None:
    """The episodes one after the other, seen from the third person, in real time.

    What each of `cameras` sees is shown at the bottom, from left to right.
    """
    times = [(r, t) for r in records for t in _frame_times(r)]
    if not times:
        return
    with contextlib.ExitStack() as stack:
        renderer = stack.enter_context(SceneRenderer(WIDTH, HEIGHT))
        insets = [
            stack.enter_context(SceneRenderer(INSET_WIDTH, INSET_HEIGHT, name)) for name in cameras
        ]

        def frames() -> Iterator[NDArray[np.uint8]]:
            for record, stamp in track(times, 'drawing demo.mp4'):
                joints, block = record.joints.at(stamp), record.block.at(stamp)
                if joints is None or block is None:
                    continue
                chunk = record.chunks.at(stamp) if record.chunks.rows else None
                begun = bool(record.chunks.rows) and record.chunks.stamps_ns[0] <= stamp
                trail = record.tip.between(stamp - round(TRAIL_S * 1e9), stamp)[::6]
                picture = renderer.frame(joints, block, chunk if begun else None, trail).copy()
                for i, inset in enumerate(insets):
                    left = BORDER_PX + i * (INSET_WIDTH + BORDER_PX)
                    _paste(picture, inset.frame(joints, block), left)
                yield picture

        write_video(path, frames(), FRAME_RATE_HZ)


def _paste(picture: NDArray[np.uint8], inset: NDArray[np.uint8], left: int) -> None:
    """Put `inset` at the bottom of `picture`, in a dark frame."""
    height, width = inset.shape[:2]
    top = picture.shape[0] - height - BORDER_PX
    picture[top - 2 : top + height + 2, left - 2 : left + width + 2] = 40
    picture[top : top + height, left : left + width] = inset


def _frame_times(record: EpisodeRecord) -> list[int]:
    if not record.joints.rows or not record.block.rows:
        return []
    step = round(1e9 / FRAME_RATE_HZ)
    return list(range(record.started_ns, record.ended_ns, step))
