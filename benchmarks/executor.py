"""Whether the executor keeps its rate: `python -m benchmarks.executor [--seconds 15]`.

The simulated cell, the executor and, where the row says so, the policy run as in the demo, at 125
and 500 Hz. Periods and jitter are the executor's own figures, from its activation on. Now and then
an operator takes the arm for a moment: from the stamp of that twist until the executor tells, in
the tick in which it has sent the first command that follows it, is a command's latency.

With --burners one process per core computes without end beside it, at the priority that the
processes of a graph have.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.report import Headline, Result
from benchmarks.watcher import Watcher, watching
from dp_ros import bringup
from dp_ros.commands.demo import free_address
from dp_ros.nodes import convert, topics
from dp_ros.ros_process import Process, free_domain
from dp_ros.running import running

# Settings of the executor.
PLAIN = {'realtime': 'off', 'freeze_garbage': False}
REAL_TIME = {'realtime': 'auto', 'freeze_garbage': True}
RATES_HZ = (125, 500)
# Between two presses, with the policy and without it: it needs time to begin again.
PRESS_PERIOD_S = {True: 2.0, False: 0.5}
PRESSED_S = 0.04
SPEED = 0.005  # [m/s]
FIGURES = (
    'rate_hz', 'period_ms_p50', 'period_ms_p99', 'period_ms_max', 'jitter_ms_p50',
    'jitter_ms_p99', 'late_ticks', 'late_ms_max', 'overruns', 'garbage_ms_max',
)  # fmt: skip


@dataclass(frozen=True)
class Load:
    """What runs besides the cell and the executor."""

    policy: bool
    burners: int = 0

    def __str__(self) -> str:
        policy = 'policy' if self.policy else 'nothing'
        return policy + (f' + {self.burners} burners' if self.burners else '')


@dataclass(frozen=True)
class Measured:
    """The executor's values, its CPU time as a share of one core, and commands' latencies [ms]."""

    values: dict[str, str]
    cpu: float
    latencies_ms: list[float]


class Operator(Watcher):
    """Takes the arm for a moment, and notes when the executor has followed."""

    def __init__(self) -> None:
        super().__init__()
        self.latencies_ms: list[float] = []
        self._twists = topics.TELEOP_TWIST.publisher(self)
        self._pressed_ns, self._velocity = 0, SPEED
        self.listen(topics.MODE, self._on_mode)

    def press(self) -> None:
        """To and fro in turn, and at once let go of it: the arm stays where it is."""
        self._velocity = -self._velocity
        self._pressed_ns = self._say(self._velocity)
        time.sleep(PRESSED_S)
        self._say(0.0, released=True)

    def _say(self, velocity: float, released: bool = False) -> int:
        stamp_ns = int(self.get_clock().now().nanoseconds)
        twist = np.array([velocity, 0, 0, 0, 0, 0], float)
        self._twists.publish(convert.twist_message(stamp_ns, twist, released))
        return stamp_ns

    def _on_mode(self, message: Any, info: Mapping[str, Any]) -> None:
        if message.data == 'teleoperated' and self._pressed_ns:
            self.latencies_ms.append((info['source_timestamp'] - self._pressed_ns) / 1e6)
            self._pressed_ns = 0


def measure(
    logs: Path,
    domain: int,
    seconds: float,
    load: Load,
    settings: Mapping[str, Any],
    rate_hz: int = 125,
) -> Measured:
    """Run the graph for `seconds` and ask the executor how it went."""
    cell = bringup.simulated_cell(
        bringup.shipped('state'), address=free_address(), rate_hz=rate_hz
    )
    sim, executor, policy = cell
    executor = Process('executor', {**executor.parameters, **settings})
    graph = [sim, executor, *([policy] if load.policy else [])]
    with (
        running(graph, logs, domain) as processes,
        watching(domain, Operator) as operator,
        _burning(load.burners),
    ):
        operator.wait('executor', 'idle')
        if load.policy:
            operator.wait('inference', 'warm')
        pid = processes.processes['executor'].pid
        cpu, begun = report.cpu_s(pid), time.monotonic()
        period = PRESS_PERIOD_S[load.policy]
        press = begun + period
        while time.monotonic() < begun + seconds:
            if load.policy:
                operator.keep_armed()
            if time.monotonic() >= press:
                operator.press()
                press += period
            time.sleep(0.1)
        cpu = (report.cpu_s(pid) - cpu) / (time.monotonic() - begun)
        return Measured(operator.values['executor'], cpu, operator.latencies_ms)


@contextlib.contextmanager
def _burning(count: int) -> Iterator[None]:
    work = 'import os\nwhile True: pass'
    if os.geteuid() == 0:
        work = work.replace('\n', '; os.setpriority(os.PRIO_PROCESS, 0, -5)\n')
    started = [subprocess.Popen([sys.executable, '-c', work]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in started:
            burner.kill()
            burner.wait()


def figures(found: Measured) -> dict[str, Any]:
    """What is told of one row, as numbers."""
    told = {name: round(float(found.values[name]), 3) for name in FIGURES}
    latency = report.spread(found.latencies_ms, 2) if found.latencies_ms else {}
    presses = len(found.latencies_ms)
    return {**told, 'cpu': round(found.cpu, 3), 'latency_ms': latency, 'presses': presses}


def _row(heading: tuple[str, str, str], told: dict[str, Any]) -> list[str]:
    latency = told['latency_ms']
    return [
        *heading,
        f'{told["rate_hz"]:.1f} Hz',
        *(f'{told[f"period_ms_{part}"]:.2f}' for part in ('p50', 'p99', 'max')),
        f'{told["jitter_ms_p50"]:.2f}',
        f'{told["jitter_ms_p99"]:.2f}',
        f'{told["late_ticks"]:.0f}',
        *(f'{latency[part]:.1f}' if latency else '' for part in ('p50', 'max')),
        f'{told["cpu"]:.0%}',
    ]


def main() -> None:
    """Measure, and tell."""
    options = report.options(__doc__, 15.0)
    options.add_argument('--burners', action='store_true', help='and the cores kept busy, too')
    given = options.parse_args()
    seconds = min(given.seconds, 10.0) if given.quick else given.seconds
    loads = [Load(False), Load(True)]
    if given.burners:
        loads.append(Load(True, os.cpu_count() or 1))
    settings = (
        {'real time': REAL_TIME} if given.quick else {'plain': PLAIN, 'real time': REAL_TIME}
    )
    about, rows, told = report.machine(), [], []
    for rate_hz in RATES_HZ:
        for load in loads:
            for name, chosen in settings.items():
                with tempfile.TemporaryDirectory() as scratch:
                    found = measure(Path(scratch), free_domain(), seconds, load, chosen, rate_hz)
                row = figures(found)
                rows.append(_row((f'{rate_hz} Hz', str(load), name), row))
                told.append({'hz': rate_hz, 'beside': str(load), 'settings': name, **row})
    best = {row['hz']: row for row in told if row['beside'] == 'policy'}
    report.publish(
        Result(
            'executor',
            f'The executor, {seconds:.0f} s a row, periods and latencies in ms; real time: '
            f'{found.values["realtime"]}',
            'the same loop without real-time settings (plain)',
            ('asked', 'beside it', 'settings', 'rate', 'period p50', 'p99', 'max', 'jitter p50',
             'p99', 'late', 'latency p50', 'max', 'CPU'),
            rows,
            [
                Headline(
                    f'executor at {hz} Hz with a policy',
                    f'{row["rate_hz"]:.1f} Hz, jitter p99 {row["jitter_ms_p99"]:.2f} ms, '
                    f'latency p50 {row["latency_ms"].get("p50", "?")} ms',
                )
                for hz, row in best.items()
            ],
            told,
        ),
        about,
    )  # fmt: skip


if __name__ == '__main__':
    main()
