"""A bag against a checkpoint in virtual time: no DDS, no clock, the same bytes each time.

Messages come when they were received, or later if the injection says so. A window that is covered
at T is planned then; its chunk leaves at T plus the declared processing time, whatever the
computation took, and reaches the executor over its own link.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from dp_ros.core.chunk import Verdict
from dp_ros.core.refusal import Refusal
from dp_ros.data import topic_names
from dp_ros.data.bag import Bag, Recorded
from dp_ros.data.stream_inputs import stream_inputs
from dp_ros.learning.planner import Planner
from dp_ros.replay.executor_side import READINGS, ExecutorSide, Tick, needed_reading
from dp_ros.replay.injection import Deliveries, Fate, Injection, Link
from dp_ros.replay.policy_side import Plan, PolicySide
from dp_ros.replay.stretches import Stretch
from dp_ros.robot import Robot
from dp_ros.task import Task

# What became of a chunk that never reached the schedule; the rest are core.chunk.Verdict.
PAST, OUTRUN, LOST = 'past', 'outrun', 'lost'
EXPLAINED = {
    PAST: 'too late: every action of the chunk is past',
    OUTRUN: 'too late: it outran the committed actions that it goes on from',
    LOST: 'lost on its way to the executor',
    **{verdict.name.lower(): verdict.value for verdict in Verdict},
}

Event = tuple[int, int, Callable[[int], None]]


@dataclass(frozen=True)
class Planned:
    """A plan, and what became of its chunk at the executor, which it reached at `offered_ns`."""

    plan: Plan
    offered_ns: int | None
    verdict: str


@dataclass(frozen=True)
class Outcome:
    """All that happened.

    refusals: windows that were asked for and could not be had, by stream and reason;
    troubles: of the streams, at the end of each stretch and whenever the mode changed, each once;
    lost: messages that the injection dropped.
    """

    planned: tuple[Planned, ...]
    ticks: tuple[Tick, ...]
    refusals: Counter[str]
    troubles: tuple[str, ...]
    refused_arming: tuple[str, ...]
    lost: Counter[str]

    @property
    def verdicts(self) -> Counter[str]:
        """Chunks by what became of them."""
        return Counter(planned.verdict for planned in self.planned)

    @property
    def limited(self) -> Counter[str]:
        """Control periods by the limit that changed the command."""
        return Counter(limit for tick in self.ticks for limit in tick.limits)

    @property
    def commands(self) -> int:
        """Control periods in which a command was sent."""
        return sum(tick.command is not None for tick in self.ticks)


def topics(bag: Bag, task: Task, robot: Robot) -> set[str]:
    """What of a bag is delivered; raises BagError where something is missing or of another type.

    Raises ValueError where the robot lacks cameras of the task.
    """
    robot.require_cameras(task, f'the robot of {bag.folder}', rates=False)
    wanted = {stream.topic: stream.type for stream in stream_inputs(task, robot)}
    needed = needed_reading(task)
    wanted |= {t: k for t, k in READINGS.items() if t == needed or bag.counts.get(t)}
    bag.require(wanted)
    return set(wanted)


class Lockstep:
    """The live wiring of policy and executor, without their processes."""

    def __init__(
        self, task: Task, robot: Robot, planner: Planner, processing_ns: int, injection: Injection
    ) -> None:
        self._policy = PolicySide(task, robot, planner, processing_ns)
        self._executor = ExecutorSide(task, robot)
        self._injection = injection
        # A chunk is delayed only where it is named: the others are what a recording lacks.
        link = injection.topics.get(topic_names.CHUNK, Link())
        self._chunk_fate = Fate(topic_names.CHUNK, link, injection.seed)
        self._events: list[Event] = []
        self._count = itertools.count()
        self._planned: list[Planned] = []
        self._ticks: list[Tick] = []
        self._troubles: dict[tuple[str, Refusal], str] = {}
        self._ticking = 0

    def run(self, messages: Iterable[Recorded], stretches: Iterable[Stretch]) -> Outcome:
        """Replay; `messages` by time of arrival. Raises BagError."""
        for stretch in stretches:
            self._at(stretch.begin_ns, self._begin)
            self._at(stretch.end_ns, partial(self._end, stretch))
        deliveries = Deliveries(messages, self._injection)
        for now_ns, recorded in deliveries:
            self._advance(now_ns)
            self._receive(recorded, now_ns)
        self._advance(None)
        return Outcome(
            tuple(sorted(self._planned, key=lambda planned: planned.plan.covered_ns)),
            tuple(self._ticks),
            self._policy.refusals,
            tuple(self._troubles.values()),
            tuple(self._executor.refused_arming),
            deliveries.lost,
        )

    def _at(self, time_ns: int, action: Callable[[int], None]) -> None:
        heapq.heappush(self._events, (time_ns, next(self._count), action))

    def _advance(self, until_ns: int | None) -> None:
        """Let everything happen that is due before `until_ns`; all of it, if that is None."""
        while self._events and (until_ns is None or self._events[0][0] < until_ns):
            now_ns, _, action = heapq.heappop(self._events)
            action(now_ns)

    def _receive(self, recorded: Recorded, now_ns: int) -> None:
        message = recorded.message()
        self._executor.read(recorded.topic, message)
        self._policy.receive(recorded.topic, message, now_ns)
        self._plan(now_ns)

    def _begin(self, now_ns: int) -> None:
        self._policy.begin(now_ns)
        self._executor.begin()
        self._ticking += 1
        self._tick(self._ticking, now_ns)

    def _end(self, stretch: Stretch, now_ns: int) -> None:
        self._note_troubles(now_ns)
        self._policy.end()
        self._executor.end(stretch)

    def _tick(self, ticking: int, now_ns: int) -> None:
        """One control period, and the next one; a later stretch has a rhythm of its own."""
        if ticking != self._ticking or not self._executor.busy:
            return
        tick = self._executor.tick(now_ns)
        if self._ticks and tick.mode != self._ticks[-1].mode:
            self._note_troubles(now_ns)
        self._ticks.append(tick)
        self._at(now_ns + self._executor.period_ns, partial(self._tick, ticking))

    def _note_troubles(self, now_ns: int) -> None:
        for trouble in self._policy.troubles(now_ns):
            self._troubles.setdefault((trouble.stream, trouble.reason), str(trouble))

    def _plan(self, now_ns: int) -> None:
        plan = self._policy.plan(now_ns)
        if plan is not None:
            self._at(plan.done_ns, partial(self._send, plan))

    def _send(self, plan: Plan, now_ns: int) -> None:
        """The policy has thought: its chunk leaves, and the next window may be there already."""
        arrival = self._chunk_fate.arrival_ns(now_ns)
        if plan.chunk is None:
            verdict = PAST if plan.ask.knew is None else OUTRUN
            self._planned.append(Planned(plan, None, verdict))
        elif arrival is None:
            self._planned.append(Planned(plan, None, LOST))
        else:
            self._at(arrival, partial(self._offer, plan))
        self._plan(now_ns)

    def _offer(self, plan: Plan, now_ns: int) -> None:
        assert plan.chunk is not None
        verdict = self._executor.offer(plan.chunk, now_ns)
        ahead = self._executor.ahead(now_ns) if verdict is Verdict.ACCEPTED else None
        if ahead is not None:
            self._policy.accepted(ahead, now_ns)
            self._plan(now_ns)
        self._planned.append(Planned(plan, now_ns, verdict.name.lower()))
