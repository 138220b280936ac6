"""The policy's process in virtual time: what the observation and inference nodes do live."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dp_ros.core.asynchronous import Ask, AsynchronousPlanning
from dp_ros.core.refusal import Refused
from dp_ros.core.stamped import ActionChunk, Array, ObservationWindow
from dp_ros.data import alignment
from dp_ros.data.alignment import Alignment, StampedImage
from dp_ros.learning.planner import Planner, receding_horizon
from dp_ros.robot import Robot
from dp_ros.task import Task


@dataclass(frozen=True)
class Plan:
    """One prediction.

    covered_ns: when its window was had; done_ns: when it was ready; window: digest;
    waypoints: all T_p of them; chunk: what can still be executed, None if all of it is past, or if
    it outran the committed actions that it goes on from.
    """

    ask: Ask
    covered_ns: int
    done_ns: int
    window: str
    waypoints: Array
    chunk: ActionChunk | None

    @property
    def anchor_ns(self) -> int:
        """The end of its window."""
        return self.ask.anchor_ns


class PolicySide:
    """Messages in, plans out, one at a time: while it thinks, `plan` gives none.

    processing_ns: how long a prediction is declared to take. refusals: windows that could not be
    had, by stream and reason.
    """

    def __init__(self, task: Task, robot: Robot, planner: Planner, processing_ns: int) -> None:
        self.refusals: Counter[str] = Counter()
        self._alignment = Alignment(task, robot)
        self._planner, self._processing_ns = planner, processing_ns
        horizon = receding_horizon(task, robot.lead_ns)
        self._planning = AsynchronousPlanning(horizon, planner.pins, lead_ns=robot.lead_ns)
        self._commanding = False
        self._free_ns = 0

    def receive(self, topic: str, message: Any, now_ns: int) -> None:
        """A message of any topic; those that no stream comes from are passed over."""
        for stream in self._alignment.inputs:
            if stream.topic == topic:
                self._alignment.receive(stream, message, now_ns)

    def begin(self, now_ns: int) -> None:
        """Somebody commands the arm from now on: the first window lies wholly after it."""
        self._planning.begin(now_ns)
        self._commanding = True

    def accepted(self, ahead: ActionChunk, now_ns: int) -> None:
        """The executor has told what it will play from now on."""
        self._planning.accepted(ahead, now_ns)

    def end(self) -> None:
        """Nobody commands the arm any more."""
        self._commanding = False

    def troubles(self, now_ns: int) -> list[Refused]:
        """What is wrong with the streams at `now_ns`."""
        return self._alignment.builder.troubles(now_ns)

    def plan(self, now_ns: int) -> Plan | None:
        """Plan from the next window; None if it is not covered yet, or refused, or not asked for.

        It is called whenever something came, and whenever a plan is done.
        """
        builder = self._alignment.builder
        while self._commanding and now_ns >= self._free_ns:
            anchor = self._planning.anchor(builder.newest_anchor_ns(), now_ns)
            if anchor is None:
                return None
            window = builder.window(anchor, now_ns)
            frames = window if isinstance(window, Refused) else alignment.images(window)
            if isinstance(window, Refused) or isinstance(frames, Refused):
                self._refuse(frames)
                self._planning.refused(anchor)
                continue
            return self._think(window, frames, now_ns)
        return None

    def _think(
        self,
        window: ObservationWindow,
        frames: Mapping[str, list[StampedImage]],
        now_ns: int,
    ) -> Plan:
        ask, done = self._planning.ask(window.anchor_ns, now_ns), now_ns + self._processing_ns
        waypoints = self._planner.waypoints(window, frames, ask.before, ask.delay_steps)
        chunk = self._planning.answer(ask, waypoints, done)
        self._free_ns = done
        digest = alignment.digest(window, frames)
        return Plan(ask, now_ns, done, digest, waypoints, chunk)

    def _refuse(self, refused: Any) -> None:
        self.refusals[f'{refused.stream}_{refused.reason.name.lower()}'] += 1
