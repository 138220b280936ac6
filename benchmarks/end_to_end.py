"""From a picture to the arm: `python -m benchmarks.end_to_end [--seconds 100]`.

The simulated cell with its two cameras runs as in the demo. A chunk's way begins with the capture
of the older of the newest frames of both cameras in its window, and ends with the first command
that would be another one without it. All times are stamps of one clock, as the graph says them:

    frames      until both frames have come to a subscriber (a process of its own)
    window      until the window is had: its grid time, and samples of every stream beyond it
    inference   until the chunk is denoised
    transport   until the executor's control thread has taken it into the schedule
    command     until the first command that depends on it has been sent to the arm
"""

import struct
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.report import Headline, Result
from benchmarks.watcher import Watcher, watching
from dp_ros import bringup
from dp_ros.commands.demo import free_address
from dp_ros.core.stream_config import StreamConfig
from dp_ros.data import messages
from dp_ros.hardware.drivers import make_kinematics
from dp_ros.nodes import topics
from dp_ros.robot import load_robot
from dp_ros.ros_process import Process, free_domain
from dp_ros.running import running
from dp_ros.task import load_task

STAGES = ('frames', 'window', 'inference', 'transport', 'command')
POLICY = bringup.shipped('image')
ROBOT = bringup.share('config', 'robots', 'ur5e_sim.yaml')
CAMERAS = tuple(camera.name for camera in load_task(POLICY.task).cameras)
PICTURE = report.ROOT / 'docs' / 'latency_stages.png'
# Then the cell begins anew.
EPISODE_S = 25.0
# Every command is told of: the last stage is shorter than two of them.
RATE_HZ = 125
MS = 1e-6


@dataclass(frozen=True)
class Planned:
    """What the inference node says of a chunk: stamps [ns]."""

    anchor_ns: int
    window_ns: int
    denoised_ns: int


class Listener(Watcher):
    """Keeps the stamps of everything; chunks and schedules by their ends, statuses by splices."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: dict[str, list[tuple[int, int]]] = {name: [] for name in CAMERAS}
        self.planned: dict[int, Planned] = {}
        self.accepted: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.schedules: dict[int, tuple[int, ...]] = {}
        self.commands: list[int] = []
        for name in CAMERAS:
            frames = topics.color_image(name, False)
            self.listen(frames, partial(_with_info, self.arrivals[name]), raw=True)
        self.listen(topics.CARTESIAN_CHUNK, self._on_chunk)
        self.listen(topics.CARTESIAN_SCHEDULE, self._on_schedule)
        self.listen(topics.CARTESIAN_COMMAND, self._on_command)

    def on_status(self, status: Any, stamp: Any) -> None:
        values = self.values[status.name]
        if status.name == 'inference/chunk' and values['splice_ns'] != '0':
            anchor = int(values['anchor_ns'])
            window = anchor + round(float(values['window_ms']) / MS)
            denoised = window + round(float(values['inference_ms']) / MS)
            self.planned[int(values['splice_ns'])] = Planned(anchor, window, denoised)
        if status.name == 'executor/chunk' and values['verdict'] == 'accepted':
            self.accepted[int(values['splice_ns'])] = messages.nanoseconds(stamp)

    def _on_chunk(self, message: Any) -> None:
        if message.points:
            chunk = messages.cartesian_chunk(message)
            self.ends[chunk.splice_ns] = chunk.end_ns

    def _on_schedule(self, message: Any) -> None:
        chunk = messages.cartesian_chunk(message)
        self.schedules[chunk.end_ns] = chunk.stamps_ns

    def _on_command(self, message: Any) -> None:
        self.commands.append(messages.nanoseconds(message.header.stamp))


def _with_info(into: list[tuple[int, int]], cdr: bytes, info: dict[str, Any]) -> None:
    """A frame's stamp, first in its CDR, and when the middleware had it."""
    seconds, nanoseconds = struct.unpack_from('<iI', cdr, 4)
    into.append((seconds * messages.SECOND_NS + nanoseconds, info['received_timestamp']))


def measure(logs: Path, domain: int, seconds: float) -> Listener:
    """Run the cell for `seconds`, an episode after the other."""
    sim, *cameras, executor, policy = bringup.simulated_cell(POLICY, ROBOT, free_address())
    executor = Process('executor', {**executor.parameters, 'state_rate_hz': RATE_HZ})
    with (
        running([sim, *cameras, executor, policy], logs, domain),
        watching(domain, Listener) as listener,
    ):
        listener.wait('executor', 'idle')
        listener.wait('inference', 'warm')
        listener.wait('observation', 'all streams arrive')
        ends, seed = time.monotonic() + seconds, 2000
        while (left := ends - time.monotonic()) > 0:
            listener.calls.to_start(seed)
            over = time.monotonic() + min(left, EPISODE_S)
            while time.monotonic() < over:
                listener.keep_armed()
                time.sleep(0.5)
            seed += 1
        time.sleep(0.5)
        found: Listener = listener
        return found


def stages(heard: Listener, rules: StreamConfig) -> NDArray[np.float64]:
    """(n, 5): how long each chunk that was accepted spent in each of STAGES [ms]."""
    commands = np.array(sorted(heard.commands), dtype=np.int64)
    early_ns = rules.lead_ns + round(rules.limits.foresight(rules.period_s) * 1e9)
    rows = []
    for splice, accepted in heard.accepted.items():
        planned, end = heard.planned.get(splice), heard.ends.get(splice)
        schedule = heard.schedules.get(end) if end is not None else None
        frames = None if planned is None else _frames(heard, planned)
        if planned is None or schedule is None or frames is None:
            continue
        captured, arrived = frames
        # Up to the waypoint before its splice, what was committed is played.
        before = max((stamp for stamp in schedule if stamp < splice), default=0)
        depends = max(accepted, before - early_ns)
        place = int(np.searchsorted(commands, depends))
        if place == len(commands):
            continue
        passed = (
            captured, arrived, planned.window_ns, planned.denoised_ns, accepted, commands[place],
        )  # fmt: skip
        rows.append([(b - a) * MS for a, b in pairwise(passed)])
    if not rows:
        raise RuntimeError('no chunk was followed from its frames to a command')
    return np.array(rows)


def _frames(heard: Listener, planned: Planned) -> tuple[int, int] | None:
    """Capture of the older of the newest frames, and when both had come."""
    newest = []
    for arrivals in heard.arrivals.values():
        # A frame that came after its window was not in it.
        anchor_ns, window_ns = planned.anchor_ns, planned.window_ns
        seen = [frame for frame in arrivals if frame[0] <= anchor_ns and frame[1] <= window_ns]
        if not seen:
            return None
        newest.append(max(seen))
    return min(stamp for stamp, _ in newest), max(arrival for _, arrival in newest)


def draw(found: NDArray[np.float64], path: Path) -> None:
    """Each chunk's way, the shortest first; beside it the spread of each stage."""
    ordered = found[np.argsort(found.sum(axis=1))]
    share = np.linspace(0, 100, len(ordered))
    total = found.sum(axis=1)
    figure, (ways, spread) = plt.subplots(
        1, 2, figsize=(10, 4), width_ratios=(3, 2), layout='constrained'
    )
    ways.stackplot(share, ordered.T)
    for quantile in (50, 99):
        value = np.percentile(total, quantile)
        ways.axhline(value, color='black', lw=0.8, ls=':')
        ways.annotate(f'p{quantile}: {value:.0f} ms', (1, value), va='bottom')
    ways.set(
        xlabel='chunks, the fastest first [%]', ylabel='since the capture [ms]',
        xlim=(0, 100), ylim=(0, 1.1 * total.max()),
    )  # fmt: skip
    places = np.arange(len(STAGES))
    p50, p99 = np.percentile(found, [50, 99], axis=0)
    colours = [f'C{i}' for i in places]
    spread.barh(places, p99, color=colours, alpha=0.35)
    spread.barh(places, p50, color=colours)
    for place, middle, high in zip(places, p50, p99, strict=True):
        spread.annotate(f'{middle:.1f} / {high:.1f}', (high, place), xytext=(4, 0),
                        textcoords='offset points', va='center', fontsize=8)  # fmt: skip
    spread.set(xlabel='p50 (dark) and p99 [ms]', xlim=(0, 1.45 * p99.max()))
    spread.set_yticks(places, STAGES)
    spread.invert_yaxis()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure, draw and tell."""
    given = report.options(__doc__, 100.0).parse_args()
    seconds = min(given.seconds, 30.0) if given.quick else given.seconds
    about = report.machine()
    robot, task = load_robot(ROBOT), load_task(POLICY.task)
    with tempfile.TemporaryDirectory() as scratch:
        heard = measure(Path(scratch), free_domain(), seconds)
    found = stages(heard, robot.stream(task, make_kinematics(robot)))
    draw(found, PICTURE)
    columns = {**dict(zip(STAGES, found.T, strict=True)), 'total': found.sum(axis=1)}
    spreads = {name: report.spread(column, 1) for name, column in columns.items()}
    total = spreads['total']
    report.publish(
        Result(
            'end_to_end',
            f'Capture to command, {len(found)} chunks, [ms]',
            'none: what the graph says of itself',
            ('stage', 'p50', 'p99', 'max'),
            [[name, *(f'{v:.1f}' for v in spread.values())] for name, spread in spreads.items()],
            [Headline('capture to command', f'p50 {total["p50"]} ms, p99 {total["p99"]} ms')],
            {'chunks': len(found), 'chunks_accepted': len(heard.accepted), 'stages_ms': spreads},
        ),
        about,
    )


if __name__ == '__main__':
    main()
