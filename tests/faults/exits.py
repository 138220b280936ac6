"""SIGINT at every phase: how long the graph takes to end, and whether the arm was let down."""

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired

from dp_ros.core.backoff import Backoff
from dp_ros.data.bag_repair import needs_repair
from dp_ros.nodes import topics
from dp_ros.running import Graph
from tests.faults import benches
from tests.faults.bench import Bench
from tests.faults.harness import broken_limits
from tests.faults.injections import record

GOAL_S = 5.0


@dataclass
class Exit:
    """How a graph ended after SIGINT in a phase; arm_s: when the arm stood [s]."""

    phase: str
    repeat: int
    took_s: float = 0.0
    arm_s: float | None = None
    failures: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        """For a line of JSON."""
        return asdict(self)


def at_once(bench: Bench) -> None:
    """As a terminal or ros2 launch does: to all processes at the same moment."""
    processes = list(bench.processes.values())
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        with suppress(TimeoutExpired):
            process.wait(2 * GOAL_S)


def _deactivate(bench: Bench) -> None:
    assert bench.witness.change_state('executor', 4)


def _move(bench: Bench) -> None:
    bench.begin(random.Random(time.time_ns()))


def _brake(bench: Bench) -> None:
    _move(bench)
    bench.witness.trigger(topics.HOLD_SERVICE)


def _hold(bench: Bench) -> None:
    _brake(bench)
    time.sleep(1.0)


def _record(bench: Bench) -> None:
    _move(bench)
    record(bench)
    # Before its small disk goes.
    bench.when_closed(lambda: bench.extra.update(damaged=needs_repair(bench.extra['episode'])))


PHASES: dict[str, Callable[[Bench], None]] = {
    'idle': lambda _: None,
    'configured': _deactivate,
    'moving': _move,
    'moving, all at once': _move,
    'braking': _brake,
    'holding': _hold,
    'recording': _record,
}


def starting(domain: int, out: Path, repeat: int, seed: int) -> Exit:
    """SIGINT while the processes still load their libraries."""
    outcome = Exit('starting', repeat)
    graph = Graph(benches.state_graph(out)[0], out / 'logs', domain, Backoff())
    graph.start()
    time.sleep(random.Random(f'{seed}/starting/{repeat}').uniform(0.1, 4.0))
    begun = time.monotonic()
    graph.stop()
    outcome.took_s = round(time.monotonic() - begun, 2)
    # What SIGINT interrupts in the midst of an import ends as that import has it.
    codes = {name: p.returncode for name, p in graph.processes.items()}
    _judge(outcome, {name: code for name, code in codes.items() if code == -signal.SIGKILL})
    return outcome


def run(phase: str, domain: int, out: Path, repeat: int) -> Exit:
    """A graph of its own, up to the phase, and SIGINT."""
    outcome = Exit(phase, repeat)
    # What ends is to stay ended.
    bench = benches.state(domain, out, Backoff() if 'once' not in phase else None)
    try:
        PHASES[phase](bench)
    except AssertionError as error:
        outcome.failures.append(f'not {phase}: {error}'[:300])
    begun = time.monotonic()
    if 'once' in phase:
        at_once(bench)
    bench.close()
    outcome.took_s = round(bench.ended_s - begun, 2)
    outcome.arm_s = round(bench.arm.moved_for_s(begun, begun + GOAL_S), 3)
    _judge(outcome, bench.codes)
    if bench.extra.get('damaged'):
        outcome.failures.append('the episode is not whole')
    outcome.failures += [f'limit: {text}' for text in broken_limits(bench, begun - 5.0)]
    return outcome


def _judge(outcome: Exit, codes: dict[str, int | None]) -> None:
    if outcome.took_s > GOAL_S:
        outcome.failures.append(f'the graph took {outcome.took_s:.1f} s to end')
    bad = {name: code for name, code in codes.items() if code}
    if bad:
        outcome.failures.append(f'ended with codes {bad}')
