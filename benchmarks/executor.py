"""Whether the executor keeps its rate: `python benchmarks/executor.py [--seconds 20]`.

The simulated cell, the executor and the policy run as in the demo. Beside them, where the row
says so, one process per core computes without end, at the priority that the processes of a graph
have. The figures are the executor's own, from its activation on.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dp_ros import bringup
from dp_ros.commands.demo import free_address
from dp_ros.ros_process import Process, environment, free_domain
from dp_ros.running import running

START_S = 60.0
# Settings of the executor, from nothing to all.
PLAIN = {'realtime': 'off', 'freeze_garbage': False}
FROZEN = {'realtime': 'off', 'freeze_garbage': True}
REAL_TIME = {'realtime': 'auto', 'freeze_garbage': True}
SETTINGS = {'plain': PLAIN, 'garbage frozen': FROZEN, 'real time': REAL_TIME}


@dataclass(frozen=True)
class Load:
    """What runs besides the cell and the executor."""

    policy: bool
    burners: int

    def __str__(self) -> str:
        policy = 'policy' if self.policy else 'nothing'
        return policy + (f' + {self.burners} burners' if self.burners else '')


@dataclass(frozen=True)
class Measured:
    """The executor's figures, and its CPU time as a share of one core."""

    values: dict[str, str]
    cpu: float


def measure(
    logs: Path, domain: int, seconds: float, load: Load, settings: dict[str, Any]
) -> Measured:
    """Run the graph for `seconds` and ask the executor how it went."""
    os.environ.update(environment())
    from dp_ros.nodes.calls import CallError

    cell = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    sim, executor, policy = cell
    executor = Process('executor', {**executor.parameters, **settings})
    graph = [sim, executor, *([policy] if load.policy else [])]
    with (
        running(graph, logs, domain) as processes,
        _watching(domain) as watcher,
        _burning(load.burners),
    ):
        watcher.wait('executor', 'idle')
        pid = processes.processes['executor'].pid
        cpu, begun = _cpu_s(pid), time.monotonic()
        if load.policy:
            watcher.wait('inference', 'warm')
        while time.monotonic() < begun + seconds:
            if load.policy and watcher.values['executor']['mode'] not in ('policy', 'fault'):
                with contextlib.suppress(CallError):
                    watcher.calls.arm()
            time.sleep(0.5)
        cpu = (_cpu_s(pid) - cpu) / (time.monotonic() - begun)
        return Measured(watcher.values['executor'], cpu)


def _watching(domain: int) -> contextlib.AbstractContextManager[Any]:
    from rclpy.node import Node

    from dp_ros.nodes import process, topics
    from dp_ros.nodes.cell_calls import CellCalls

    class Watcher(Node):
        """Keeps the newest diagnostics of every part."""

        def __init__(self) -> None:
            super().__init__('watcher')
            self.values: dict[str, dict[str, str]] = {}
            self.words: dict[str, str] = {}
            self.calls = CellCalls(self)
            spoken = topics.DIAGNOSTICS
            self.create_subscription(spoken.type, spoken.name, self._on_status, spoken.qos)

        def wait(self, name: str, word: str) -> None:
            """Until `name` says `word`, as its message or its mode."""
            deadline = time.monotonic() + START_S
            while time.monotonic() < deadline:
                if word in (self.words.get(name), self.values.get(name, {}).get('mode')):
                    return
                time.sleep(0.1)
            raise RuntimeError(f'{name} did not say {word!r}, but {self.words.get(name)!r}')

        def _on_status(self, message: Any) -> None:
            for status in message.status:
                self.words[status.name] = status.message
                self.values[status.name] = {pair.key: pair.value for pair in status.values}

    return process.connected(Watcher, domain)


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


def _cpu_s(pid: int) -> float:
    """CPU time of a process so far [s]: proc(5), fields 14 and 15 of stat."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def main() -> None:
    """Measure, and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument('--seconds', type=float, default=20.0)
    given = options.parse_args()
    console, cores = Console(width=130), os.cpu_count() or 1
    table = Table(title=f'the executor at 125 Hz on {cores} cores, {given.seconds:.0f} s a row')
    for heading in (
        'beside it', 'settings', 'rate', 'period p50', 'p99', 'max', 'jitter p99',
        'late', 'worst', 'overruns', 'GC max', 'CPU',
    ):  # fmt: skip
        table.add_column(heading, justify='right')
    for load in (Load(False, 0), Load(True, 0), Load(True, cores)):
        for name, settings in SETTINGS.items():
            with tempfile.TemporaryDirectory() as scratch:
                found = measure(Path(scratch), free_domain(), given.seconds, load, settings)
            figures = {key: float(value) for key, value in found.values.items() if _number(value)}
            table.add_row(
                str(load), name, f'{figures["rate_hz"]:.1f} Hz',
                *(f'{figures[key]:.1f} ms' for key in (
                    'period_ms_p50', 'period_ms_p99', 'period_ms_max', 'jitter_ms_p99')),
                f'{figures["late_ticks"]:.0f}', f'{figures["late_ms_max"]:.1f} ms',
                f'{figures["overruns"]:.0f}', f'{figures["garbage_ms_max"]:.1f} ms',
                f'{found.cpu:.0%}',
            )  # fmt: skip
        table.add_section()
    console.print(table)
    console.print(f'real time is here: {found.values["realtime"]}')


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


if __name__ == '__main__':
    main()
