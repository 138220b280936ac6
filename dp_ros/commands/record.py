"""dp-ros record: the recorder in the foreground, with one line of state and a few keys."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

import dp_ros
from dp_ros import bringup
from dp_ros.commands import record_line
from dp_ros.commands.ending import Ending, asked_to_end
from dp_ros.commands.terminal_keys import key_by_key
from dp_ros.robot import load_robot
from dp_ros.ros_process import environment, shared_domain
from dp_ros.running import Graph, GraphError, last_words, running
from dp_ros.task import load_task

if TYPE_CHECKING:
    from dp_ros.nodes.record_console import Answer, RecordConsole

# For the streams of the task to be heard.
STREAMS_S = 5.0
START_S = 60.0
KEY_WAIT_S = 0.1
LOOK_PERIOD_S = 0.1
LINE_PERIOD_S = 1.0
ERROR_LEVEL = b'\x02'


@dataclass(frozen=True)
class Choices:
    """How episodes are stored."""

    operator: str = ''
    frames: str = 'raw'
    jpeg_quality: int = 90
    h264_crf: int = 18
    partial: bool = False


def run(
    task: Path, robot: Path, out: Path, choices: Choices, seconds: float | None, console: Console
) -> None:
    """Record episodes of the graph that runs in this ROS domain, until q, Ctrl-C or a signal.

    Where no person sits at a terminal, or `seconds` are given, one episode is recorded, whose
    outcome stays unknown. Raises ValueError or GraphError.
    """
    settings, cell = load_task(task), load_robot(robot)
    cell.require_cameras(settings, str(robot))
    nominal = record_line.nominal_rates(settings, cell)
    parameters = {**vars(choices), 'revision': revision()}
    # A recorder joins a graph that runs already: in the domain that ROS programs use by default.
    domain = shared_domain()
    os.environ.update(environment())
    from dp_ros.nodes.record_console import connected

    graph = bringup.record(task, robot, out, **parameters)
    with (
        asked_to_end() as ending,
        contextlib.suppress(KeyboardInterrupt),
        running(graph, out / 'logs', domain) as processes,
        connected(domain) as recorder,
    ):
        view = _View(recorder, processes, nominal)
        view.wait_until_ready(ending)
        if ending:
            pass
        elif seconds is None and sys.stdin.isatty():
            attend(view, ending, console)
        else:
            record_one(view, seconds, ending, console)
    console.print(Text(f'episodes are in {out}'), soft_wrap=True)


class _View:
    """The recorder as it is shown; raises GraphError once its process has ended."""

    def __init__(self, recorder: 'RecordConsole', graph: Graph, nominal: dict[str, float]) -> None:
        self.recorder, self._graph, self._nominal = recorder, graph, nominal

    def wait_until_ready(self, ending: Ending) -> None:
        """Until the recorder says that it is, or the end is asked for."""
        deadline = time.monotonic() + START_S
        while self.recorder.status is None and not ending:
            self.check()
            if time.monotonic() > deadline:
                raise GraphError(
                    f'the recorder was not ready within {START_S:.0f} s; its last words:\n'
                    f'{self._last_words()}'
                )
            time.sleep(0.05)

    def check(self) -> None:
        """Raise if the recorder is gone."""
        code = self._graph.processes['recorder'].poll()
        if code is not None:
            raise GraphError(
                f'the recorder ended with code {code}; its last words:\n{self._last_words()}'
            )

    @property
    def failed(self) -> bool:
        """Whether the recorder says that something is wrong."""
        return bool(self.recorder.status.level == ERROR_LEVEL)

    def line(self) -> Text:
        """Its state now."""
        status = self.recorder.status
        values = {pair.key: pair.value for pair in status.values}
        return record_line.line(status.message, self.failed, values, self._nominal)

    def _last_words(self) -> str:
        return last_words(self._graph.logs / 'recorder.log')


def attend(view: _View, ending: Ending, console: Console) -> None:
    """Obey keys until q, or until the end is asked for."""
    recorder = view.recorder
    actions: dict[str, Callable[[], Answer]] = {
        ' ': recorder.start,
        'r': recorder.start,
        's': lambda: recorder.stop(True),
        'f': lambda: recorder.stop(False),
        'x': recorder.discard,
    }

    def shown() -> Group:
        return Group(view.line(), Text(record_line.HELP, 'dim'))

    with (
        key_by_key(sys.stdin.fileno()) as read,
        Live(get_renderable=shown, console=console, refresh_per_second=4),
    ):
        while not ending and (key := read(KEY_WAIT_S)) != 'q':
            view.check()
            if key in actions:
                _tell(actions[key](), console)


def record_one(view: _View, seconds: float | None, ending: Ending, console: Console) -> None:
    """Record one episode for `seconds`, or until the end is asked for; a line each second."""
    answer, patient_until = view.recorder.start(), time.monotonic() + STREAMS_S
    while not (answer.done or ending) and time.monotonic() < patient_until:
        # A recorder that has just begun to listen has not met everybody yet.
        time.sleep(0.2)
        view.check()
        answer = view.recorder.start()
    _tell(answer, console)
    if not (answer.done or ending):
        raise ValueError(answer.text)
    until = time.monotonic() + (seconds if seconds is not None else float('inf'))
    line_at = time.monotonic() + LINE_PERIOD_S
    while not ending and (now := time.monotonic()) < until:
        time.sleep(LOOK_PERIOD_S)
        view.check()
        if now < line_at:
            continue
        line_at += LINE_PERIOD_S
        console.print(view.line(), soft_wrap=True)
        if view.failed:
            raise ValueError(view.recorder.status.message)


def revision() -> str:
    """The commit of the work tree that this program runs from; '' where it is installed."""
    package = Path(dp_ros.__file__)

    def git(*arguments: str) -> str:
        found = subprocess.run(
            ['git', *arguments],
            cwd=package.parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        return found.stdout.strip()

    try:
        tracked = git('ls-files', '--error-unmatch', package.name)
        commit = git('rev-parse', 'HEAD') if tracked else ''
        changed = git('status', '--porcelain', '--untracked-files=no')
    except (OSError, subprocess.SubprocessError):
        return ''
    return f'{commit}+dirty' if changed else commit


def _tell(answer: 'Answer', console: Console) -> None:
    console.print(Text(answer.text, '' if answer.done else 'yellow'), soft_wrap=True)
