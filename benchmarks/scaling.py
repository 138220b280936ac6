"""What ten and a hundred times as much costs: `python -m benchmarks.scaling`.

Windows from a stream, chunks in the schedule, data sets and bags, each at 1, 10 and 100 times the
size; CPU time, the best of several tries. The slope of the straight line through the costs, both
on logarithmic axes, is 1 where the cost grows with the size, and 0 where it does not grow at all.

    windows          all windows of a stream of so many seconds, a pose and a camera
    chunks           a chunk of so many waypoints into the schedule, and 100 setpoints out of it
    set: open        a data set of so many frames, opened
    set: batch       64 windows at random out of it, with their frames
    bag: open        a bag of so many messages, opened
    bag: read        all of its messages, as values
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from benchmarks import report
from benchmarks.report import Headline, Result
from benchmarks.training import read_set, write_set
from dp_ros.core.chunk import Schedule
from dp_ros.core.refusal import Refused
from dp_ros.core.stamped import ActionChunk, Sample
from dp_ros.core.stream_buffer import Kind, StreamSpec
from dp_ros.core.window import WindowBuilder
from dp_ros.data.bag import open_bag
from dp_ros.data.bag_writer import TYPES, BagWriter
from dp_ros.data.topic_names import TCP_POSE
from dp_ros.data.windows import sample_windows
from dp_ros.paths import share
from dp_ros.task import load_task

TIMES = (1, 10, 100)
PICTURE = report.ROOT / 'docs' / 'scaling.png'
# At size 1. The streams' buffers, of a second, are full for most of it.
STREAM_S, WAYPOINTS, SET_STEPS, MESSAGES = 5, 16, 20, 200
STEPS = 2  # T_o
POSE_HZ, CAMERA_HZ, GRID_HZ = 60, 30, 10
SECOND_NS = 1_000_000_000
POSE = np.array([0.4, 0.1, 0.005, 1.0, 0.0, 0.0, 0.0])
BATCH = 64
TRIES = 5
# Beyond this a cost is worse than linear, and not by the clock's noise.
LINEAR = 1.1


@dataclass(frozen=True)
class Curve:
    """Seconds at each of TIMES; unit: of size 1, in words."""

    name: str
    unit: str
    costs_s: tuple[float, ...]

    @property
    def slope(self) -> float:
        """Of the straight line through the logarithms."""
        return float(np.polyfit(np.log(TIMES), np.log(self.costs_s), 1)[0])


def windows(times: int) -> Callable[[], None]:
    """Feed a stream and ask for each window, as a policy does."""
    span_ns = times * STREAM_S * SECOND_NS
    said = [
        (i * SECOND_NS // hz, name, value)
        for name, hz, value in (('tcp', POSE_HZ, POSE), ('camera', CAMERA_HZ, None))
        for i in range(times * STREAM_S * hz)
    ]
    said.sort(key=lambda row: row[0])
    period_ns = SECOND_NS // GRID_HZ
    specs = {
        'tcp': StreamSpec(Kind.POSE, period_ns),
        'camera': StreamSpec(Kind.FRAME, period_ns, SECOND_NS // CAMERA_HZ),
    }

    def run() -> None:
        builder, anchor, made = WindowBuilder(specs, period_ns, STEPS), period_ns, 0
        for stamp_ns, name, value in said:
            builder.add(name, Sample(stamp_ns, value), stamp_ns)
            newest = builder.newest_anchor_ns() or 0
            while anchor <= newest:
                made += not isinstance(builder.window(anchor, stamp_ns), Refused)
                anchor += period_ns
        if made < span_ns // period_ns - STEPS:
            raise RuntimeError(f'only {made} windows of {span_ns // period_ns}')

    return run


def chunks(times: int) -> Callable[[], None]:
    """A chunk over one that is played, and what is due while it is."""
    count, period_ns = times * WAYPOINTS, SECOND_NS // GRID_HZ
    stamps = tuple((i + 1) * period_ns for i in range(count))
    chunk = ActionChunk(stamps, np.tile(POSE, (count, 1)))
    due = np.linspace(period_ns, stamps[-1], 100).astype(np.int64).tolist()

    def run() -> None:
        schedule = Schedule(pose=True, width=7).started(0, POSE)
        for _ in range(2):
            schedule, _verdict = schedule.accept(chunk, 0)
        for now_ns in due:
            if schedule.due(now_ns) is None:
                raise RuntimeError('nothing is due')

    return run


def open_set(path: Path) -> Callable[[], None]:
    """What `dp-ros train` does before it begins."""

    def run() -> None:
        read_set(path, 'image')

    return run


def batch(path: Path) -> Callable[[], None]:
    """Windows at random."""
    task = load_task(share('config', 'tasks', 'pusht_cell_image.yaml'))
    known = read_set(path, 'image')
    made = sample_windows(known.episodes, task.horizons, known)
    rows = np.random.default_rng(0).integers(len(made), size=BATCH)

    def run() -> None:
        made.batch(rows)

    return run


def write_bag(path: Path, messages: int) -> None:
    """Poses at 60 Hz."""
    writer = BagWriter(path)
    kind = 'geometry_msgs/msg/PoseStamped'
    writer.add_topic(TCP_POSE, kind)
    pose, header, stamp = (
        TYPES.types[f'{name}']
        for name in (kind, 'std_msgs/msg/Header', 'builtin_interfaces/msg/Time')
    )
    point = TYPES.types['geometry_msgs/msg/Point'](*POSE[:3])
    turn = TYPES.types['geometry_msgs/msg/Quaternion'](*POSE[3:])
    place = TYPES.types['geometry_msgs/msg/Pose'](point, turn)
    for i in range(messages):
        at_ns = SECOND_NS + i * SECOND_NS // POSE_HZ
        message = pose(header(stamp(at_ns // SECOND_NS, at_ns % SECOND_NS), 'base'), place)
        writer.write(TCP_POSE, at_ns, bytes(TYPES.serialize_cdr(message, kind)))
    writer.close()


def open_bags(path: Path) -> Callable[[], None]:
    """The index only."""

    def run() -> None:
        with open_bag(path) as bag:
            bag.require({TCP_POSE: 'geometry_msgs/msg/PoseStamped'})

    return run


def read_bag(path: Path) -> Callable[[], None]:
    """Every message, as a value."""

    def run() -> None:
        with open_bag(path) as bag:
            for recorded in bag.messages():
                recorded.message()

    return run


def measured(scratch: Path, times: tuple[int, ...] = TIMES) -> list[Curve]:
    """All curves; sets and bags are written to `scratch`."""
    for factor in times:
        write_set(scratch / f'set{factor}', 'image', factor, SET_STEPS)
        write_bag(scratch / f'bag{factor}', MESSAGES * factor)
    sized: list[tuple[str, str, list[Callable[[], None]]]] = [
        ('windows', f'{STREAM_S} s of a stream', [windows(k) for k in times]),
        ('chunks', f'{WAYPOINTS} waypoints', [chunks(k) for k in times]),
        ('set: open', f'{SET_STEPS} steps',
         [open_set(scratch / f'set{k}') for k in times]),
        ('set: batch', f'{SET_STEPS} steps',
         [batch(scratch / f'set{k}') for k in times]),
        ('bag: open', f'{MESSAGES} messages', [open_bags(scratch / f'bag{k}') for k in times]),
        ('bag: read', f'{MESSAGES} messages', [read_bag(scratch / f'bag{k}') for k in times]),
    ]  # fmt: skip
    return [Curve(name, unit, tuple(map(_best, runs))) for name, unit, runs in sized]


def _best(run: Callable[[], None]) -> float:
    taken = []
    for _ in range(TRIES):
        begun = time.process_time()
        run()
        taken.append(time.process_time() - begun)
    return min(taken)


def draw(curves: list[Curve], path: Path) -> None:
    """Cost against size, both logarithmic; dotted: linear."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout='constrained')
    for curve in curves:
        label = f'{curve.name}: slope {curve.slope:.2f}'
        axes.loglog(TIMES, np.array(curve.costs_s) * 1e3, 'o-', label=label)
        axes.loglog(TIMES, curve.costs_s[0] * 1e3 * np.array(TIMES), ':', color='0.8', zorder=0)
    axes.set(xlabel='size', ylabel='cost [ms]')
    axes.set_xticks(TIMES, [f'{k}x' for k in TIMES])
    axes.minorticks_off()
    figure.legend(loc='outside right upper')
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure, draw and tell."""
    report.options(__doc__, 0.0).parse_args()
    about, scratch = report.machine(), Path(tempfile.mkdtemp())
    try:
        curves = measured(scratch)
    finally:
        shutil.rmtree(scratch)
    draw(curves, PICTURE)
    worst = max(curves, key=lambda curve: curve.slope)
    verdict = 'linear or better' if worst.slope <= LINEAR else 'WORSE THAN LINEAR'
    report.publish(
        Result(
            'scaling',
            'CPU time in ms at 1, 10 and 100 times the size',
            'a straight line of slope 1',
            ('', 'size 1 is', *(f'{k}x' for k in TIMES), 'slope'),
            [
                [curve.name, curve.unit, *(f'{cost * 1e3:.3g}' for cost in curve.costs_s),
                 f'{curve.slope:.2f}']
                for curve in curves
            ],
            [Headline('cost over size, steepest', f'{worst.name}: slope {worst.slope:.2f}',
                      f'slope 1: {verdict}')],
            {curve.name: {'costs_s': curve.costs_s, 'slope': curve.slope} for curve in curves},
        ),
        about,
    )  # fmt: skip


if __name__ == '__main__':
    main()
