"""One bag to the steps that a policy learns from: what was seen, and what was then commanded.

The steps lie on the policy grid. Step t holds the last row of the window anchored at t, as the
live node would have had it, and as its action the command in force one period later, at the time
for which the action of step t is due.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from dp_ros.core.mode import Mode
from dp_ros.core.refusal import Refused
from dp_ros.core.stamped import Array
from dp_ros.data import alignment
from dp_ros.data.alignment import Alignment
from dp_ros.data.bag import Bag
from dp_ros.data.bag_repair import BagError
from dp_ros.data.bag_windows import Anchored, replayed
from dp_ros.data.command_track import (
    CommandTrack,
    ModeTrack,
    as_action,
    command_sample,
    command_type,
)
from dp_ros.data.pictures import Pixels
from dp_ros.data.topic_names import COMMAND, MODE
from dp_ros.robot import Robot
from dp_ros.task import CartesianAction, Task

TEXT = 'std_msgs/msg/String'


class CommandedBy(str, Enum):
    """Whose steps are taken."""

    teleoperated = 'teleoperated'
    policy = 'policy'
    anyone = 'anyone'

    @property
    def modes(self) -> tuple[str, ...]:
        """Modes of the executor in which they command."""
        both = (Mode.TELEOPERATED.value, Mode.POLICY.value)
        return both if self is CommandedBy.anyone else (self.value,)


@dataclass(frozen=True)
class Step:
    """One step: state (D,), action (A,), frames[camera] (H, W, 3) as the policy sees them.

    mode: of the executor from this step to the next. begins: a new stretch starts here; within
    one the steps are a period apart and the mode is the same.
    """

    stamp_ns: int
    state: Array
    action: Array
    frames: Mapping[str, Pixels]
    mode: str
    begins: bool


@dataclass
class Tally:
    """What became of the grid times of a bag.

    modes: seconds of each. refused: commanded steps without a window, by 'stream: reason';
    unlabelled: those without a command at their end; alone: stretches of one step, left out.
    """

    steps: int = 0
    stretches: int = 0
    alone: int = 0
    unlabelled: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    modes: dict[str, float] = field(default_factory=dict)


def required_topics(task: Task, robot: Robot | None) -> dict[str, str]:
    """Topic -> type of what a bag must hold for its steps to be made."""
    needed = {stream.topic: stream.type for stream in Alignment(task, robot).inputs}
    return needed | {COMMAND: command_type(task), MODE: TEXT}


def steps(
    bag: Bag, task: Task, robot: Robot | None, commanded_by: CommandedBy, tally: Tally
) -> Iterator[Step]:
    """The commanded steps of `bag`, in stretches of two or more; the rest is noted in `tally`.

    Memory is constant. Raises BagError for a bag that lacks a topic, is damaged, or holds stamps
    out of order.
    """
    bag.require(required_topics(task, robot))
    first: Step | None = None
    for step in _StepMaker(bag, task, robot, commanded_by, tally).steps():
        if step.begins:
            tally.alone += first is not None
            first = step
            continue
        if first is not None:
            tally.stretches += 1
            tally.steps += 1
            yield first
            first = None
        tally.steps += 1
        yield step
    tally.alone += first is not None


class _StepMaker:
    """Windows wait in it until it is known what was commanded at their steps' end."""

    def __init__(
        self, bag: Bag, task: Task, robot: Robot | None, commanded_by: CommandedBy, tally: Tally
    ) -> None:
        self._bag, self._task, self._wanted, self._tally = bag, task, commanded_by.modes, tally
        self._aligned = Alignment(task, robot)
        self._commands = CommandTrack(pose=isinstance(task.action, CartesianAction))
        self._modes = ModeTrack()
        self._last: Step | None = None

    def steps(self) -> Iterator[Step]:
        """Every step with the wanted mode, a window and a command."""
        waiting: deque[Anchored] = deque()
        now_ns = 0
        for event in replayed(self._bag, self._aligned, frozenset({COMMAND, MODE})):
            now_ns = event.received_ns
            if isinstance(event, Anchored):
                waiting.append(event)
            elif event.topic == COMMAND:
                self._command(event.message())
            else:
                self._modes.add(now_ns, event.message().data)
            while waiting and self._commands.settled(self._due_ns(waiting[0]), now_ns):
                yield from self._step(waiting.popleft())
        for anchored in waiting:
            yield from self._step(anchored)
        self._tally.modes = self._modes.seconds(now_ns)
        self._require_order()

    def _step(self, anchored: Anchored) -> Iterator[Step]:
        """The step that begins at this grid time, if there is one."""
        stamp_ns, due_ns = anchored.anchor_ns, self._due_ns(anchored)
        mode = self._modes.throughout(stamp_ns, due_ns)
        if mode not in self._wanted:
            return
        seen = self._seen(anchored)
        if isinstance(seen, Refused):
            self._tally.refused[f'{seen.stream}: {seen.reason.value}'] += 1
            return
        command = self._commands.at(due_ns)
        if command is None:
            self._tally.unlabelled += 1
            return
        last = self._last
        follows = last is not None and self._task.period_ns == stamp_ns - last.stamp_ns
        begins = not follows or last is None or last.mode != mode
        self._last = Step(stamp_ns, seen[0], as_action(self._task, command), seen[1], mode, begins)
        yield self._last

    def _seen(self, anchored: Anchored) -> tuple[Array, dict[str, Pixels]] | Refused:
        """The last row of the window, and its last frames; or why they cannot be had."""
        if isinstance(anchored.window, Refused):
            return anchored.window
        frames = alignment.images(anchored.window)
        if isinstance(frames, Refused):
            return frames
        rows = self._task.vector(dict(anchored.window.streams))
        return rows[-1], {camera: stamped[-1][1] for camera, stamped in frames.items()}

    def _command(self, message: Any) -> None:
        try:
            self._commands.add(command_sample(self._task, message))
        except ValueError as error:
            raise BagError(f'{self._bag.folder}: {COMMAND}: {error}') from None

    def _due_ns(self, anchored: Anchored) -> int:
        return anchored.anchor_ns + self._task.period_ns

    def _require_order(self) -> None:
        for stream, counts in self._aligned.builder.counts().items():
            if counts['jumps']:
                raise BagError(
                    f'{self._bag.folder}: the stamps of {stream} are out of order: '
                    f'{counts["jumps"]} of them jump by more than a second. A clock was set while '
                    f'it was recorded; take another episode'
                )
