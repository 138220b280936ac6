"""Which windows on the policy grid an episode gives, asked for as the policy would have asked."""

from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Any

from dp_ros.core.refusal import Refused
from dp_ros.core.stamped import ObservationWindow
from dp_ros.data.alignment import Alignment
from dp_ros.data.audit.streams import Spread
from dp_ros.data.stream_inputs import StreamInput
from dp_ros.robot import Robot
from dp_ros.task import Task

# Longer than any stream is remembered.
_REACH_NS = 10_000_000_000


@dataclass(frozen=True)
class WindowFigures:
    """asked: grid times of the episode; had: those with a window.

    refused: how many were refused, by '<stream>_<reason>'. between: how far the frames of two
    cameras in one window lie apart, where there are two.
    """

    asked: int
    had: int
    refused: dict[str, int]
    between: Spread | None

    @property
    def lost(self) -> float:
        """Share of the grid times without a window, 0..1; 1 where none was asked for."""
        return 1 - self.had / self.asked if self.asked else 1.0


class WindowWatch:
    """Told of each message of the task's streams, it asks for each window once.

    That is as soon as every stream covers the anchor; or when a stream has been silent for longer
    than the task bears, and is to blame.
    """

    def __init__(self, task: Task, robot: Robot) -> None:
        self.alignment = Alignment(task, robot)
        self.skews_ns = {camera.name: array('q') for camera in task.cameras}
        self._between_ns = array('q')
        self._refused: Counter[str] = Counter()
        self._period_ns, self._steps = task.period_ns, task.horizons.observation
        self._patience_ns = max(stream.spec.oldest_ns for stream in self.alignment.inputs)
        self._next_ns: int | None = None
        self._asked = self._had = 0

    def receive(self, stream: StreamInput, message: Any, received_ns: int) -> None:
        """A message of `stream` that came at `received_ns`."""
        if self._next_ns is None:
            # The first window lies wholly after the first message, with a step for all to come.
            self._next_ns = (received_ns // self._period_ns + 1 + self._steps) * self._period_ns
        self._ask(received_ns - self._patience_ns, received_ns)
        self.alignment.receive(stream, message, received_ns)
        covered = self.alignment.builder.newest_anchor_ns()
        if covered is not None:
            self._ask(covered, received_ns)

    def end(self, ended_ns: int) -> None:
        """The episode ends: windows that nobody waits for any more are lost."""
        if self._next_ns is not None:
            self._ask(ended_ns - self._patience_ns, ended_ns)

    def figures(self) -> WindowFigures:
        """What it amounts to."""
        between = Spread.of(self._between_ns)
        return WindowFigures(self._asked, self._had, dict(self._refused), between)

    def _ask(self, until_ns: int, now_ns: int) -> None:
        assert self._next_ns is not None
        while self._next_ns <= until_ns:
            window = self.alignment.builder.window(self._next_ns, now_ns)
            if isinstance(window, Refused):
                # Nothing reaches further back than that: all are refused for the one reason.
                far = (until_ns - _REACH_NS - self._next_ns) // self._period_ns
                steps = max(1, far)
                self._refused[f'{window.stream}_{window.reason.name.lower()}'] += steps
            else:
                steps = 1
                self._had += 1
                self._measure(window)
            self._asked += steps
            self._next_ns += steps * self._period_ns

    def _measure(self, window: ObservationWindow) -> None:
        newest = {name: frames[-1].stamp_ns for name, frames in window.frames.items()}
        for name, stamp_ns in newest.items():
            self.skews_ns[name].append(window.anchor_ns - stamp_ns)
        if len(newest) > 1:
            self._between_ns.append(max(newest.values()) - min(newest.values()))
