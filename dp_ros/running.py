"""A graph's processes while they run: started, started again, and stopped in a safe order."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dp_ros.core.backoff import Backoff
from dp_ros.ros_process import OWNER, Process, Role, environment

STOP_TIMEOUT_S = 5.0
# It writes what it has heard, which may be seconds of everything on a slow disk.
RECORDER_STOP_TIMEOUT_S = 30.0
LOOK_PERIOD_S = 0.1
# Those of one row are stopped together, and waited for. The arm brakes while its robot still
# answers and its policy still plans: a stop, not a loss. The recorder hears it all.
STOP_ORDER = (
    (Role.CONDUCTOR, Role.MANAGER, Role.ARM),
    (Role.POLICY, Role.HAND, Role.CAMERA, Role.CELL),
    (Role.RECORDER,),
)

Running = subprocess.Popen[bytes]


class GraphError(RuntimeError):
    """A process of a graph ended before its time; the text names it and its log."""


class Graph:
    """Running processes, by name, and how often each was started again.

    backoff: when those that ended are started again; None: never.
    """

    def __init__(
        self,
        graph: Sequence[Process],
        logs: Path,
        domain: int,
        backoff: Backoff | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.logs = logs
        self.leader = next((p.name for p in graph if p.leads), None)
        self.processes: dict[str, Running] = {}
        self.restarts = {process.name: 0 for process in graph}
        self._graph, self._backoff, self._tell = tuple(graph), backoff, tell
        given = {'ROS_DOMAIN_ID': str(domain), OWNER: str(os.getpid())}
        self._variables = {**os.environ, **environment(), **given}
        # The mark of the PyPI wheels says that this interpreter found its libraries; a child must
        # look for itself.
        self._variables.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
        self._ends: dict[str, tuple[float, ...]] = {process.name: () for process in graph}
        self._due: dict[str, float] = {}
        self._lost: set[str] = set()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name='keeper')

    def start(self) -> None:
        """Start every process, and keep those that are restarted."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for process in self._graph:
            self._log(process).unlink(missing_ok=True)
            self._start(process)
        if self._backoff is not None:
            self._keeper.start()

    def wait(self, timeout_s: float) -> None:
        """Until the leading process ends well; raises GraphError if another is lost first."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.check():
                return
            time.sleep(LOOK_PERIOD_S)
        raise GraphError(f'{self.leader!r} was not done within {timeout_s:.0f} s')

    def check(self) -> bool:
        """Whether the leading process ended well; raises GraphError if one is lost."""
        for process in self._graph:
            code = self.processes[process.name].poll()
            if code is None:
                continue
            if process.leads and code == 0:
                return True
            if process.leads:
                raise GraphError(f'{process.name} did not succeed; logs of the rest: {self.logs}')
            if not self._kept(process):
                restarts = self.restarts[process.name]
                after = f' after {restarts} restarts' if restarts else ''
                raise GraphError(
                    f'process {process.name!r} ended with code {code}{after}; its last words:\n'
                    f'{last_words(self._log(process))}'
                )
        return False

    def stop(self) -> None:
        """End all processes in STOP_ORDER, and start none again."""
        self._stopping.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for roles in STOP_ORDER:
            names = [p.name for role in roles for p in self._graph if p.role is role]
            patience_s = RECORDER_STOP_TIMEOUT_S if Role.RECORDER in roles else STOP_TIMEOUT_S
            stop([self.processes[name] for name in names if name in self.processes], patience_s)

    def _kept(self, process: Process) -> bool:
        return self._backoff is not None and process.restarted and process.name not in self._lost

    def _log(self, process: Process) -> Path:
        return self.logs / f'{process.name}.log'

    def _start(self, process: Process) -> None:
        with self._log(process).open('ab') as log:
            self.processes[process.name] = subprocess.Popen(
                process.command(),
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=None if process.leads else log,
                stderr=None if process.leads else subprocess.STDOUT,
                # Ctrl-C reaches this process alone, which then stops the rest in order.
                start_new_session=True,
            )

    # The keeper's thread.

    def _keep(self) -> None:
        assert self._backoff is not None
        while not self._stopping.wait(LOOK_PERIOD_S):
            for process in self._graph:
                if self._kept(process) and self.processes[process.name].poll() is not None:
                    self._bring_back(process, self._backoff, time.monotonic())

    def _bring_back(self, process: Process, backoff: Backoff, now_s: float) -> None:
        name, code = process.name, self.processes[process.name].returncode
        if name not in self._due:
            self._ends[name] = (*backoff.recent(self._ends[name], now_s), now_s)
            pause_s = backoff.pause_s(self._ends[name], now_s)
            if pause_s is None or code == os.EX_CONFIG:
                # It said what is wrong with its settings, and would say it again.
                self._lost.add(name)
                self._tell(f'{name} ended with code {code} and is not started again')
                return
            self._due[name] = now_s + pause_s
            self._tell(f'{name} ended with code {code}; it is started again in {pause_s:.0f} s')
        elif now_s >= self._due[name]:
            del self._due[name]
            self.restarts[name] += 1
            with self._log(process).open('a', encoding='utf-8') as log:
                log.write(f'--- ended with code {code}; restart {self.restarts[name]} ---\n')
            self._start(process)


@contextmanager
def running(
    graph: Sequence[Process],
    logs: Path,
    domain: int,
    backoff: Backoff | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Graph]:
    """Start the processes of `graph`, and end them all on the way out.

    What the leading process prints goes to the terminal, everything else to `logs`/<name>.log.
    backoff: when processes that end before their time are started again, which is told by `tell`;
    None: never.
    """
    processes = Graph(graph, logs, domain, backoff, tell)
    try:
        processes.start()
        yield processes
    finally:
        processes.stop()


def stop(processes: Sequence[Running], patience_s: float = STOP_TIMEOUT_S) -> None:
    """End processes side by side: SIGINT first, SIGKILL for what is left after `patience_s`."""
    deadline = time.monotonic() + patience_s
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            # One that was stopped (SIGSTOP) must wake to end.
            process.send_signal(signal.SIGCONT)
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def last_words(log: Path, lines: int = 5) -> str:
    """The end of a log file, for an error message."""
    try:
        text = log.read_text(encoding='utf-8', errors='replace')
    except FileNotFoundError:
        return '(it wrote nothing)'
    return '\n'.join(text.splitlines()[-lines:]) or '(it wrote nothing)'
