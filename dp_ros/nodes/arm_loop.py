"""The control thread: it alone owns the arm and the command stream.

Other threads leave requests in a queue, so no lock is ever held while the arm is fed.
"""

import contextlib
import queue
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import TypeVar

from dp_ros.core.chunk import Verdict
from dp_ros.core.clock_watch import ClockWatch
from dp_ros.core.mode import ACCEPTED, COMMANDED, Call, ModeState
from dp_ros.core.robot import ArmStatus, Command, RobotState
from dp_ros.core.stamped import ActionChunk, Sample
from dp_ros.core.stream import CommandStream
from dp_ros.hardware.arm import Arm, ArmError
from dp_ros.nodes.control_loop import ControlLoop
from dp_ros.nodes.driver_watch import PATIENCE_S, DriverWatch
from dp_ros.nodes.recovery import Answer, Recovery

# Connecting anew takes the driver's five seconds, and letting go of the old link two more.
CONNECT_PATIENCE_S = 12.0
# The controller's own stop is waited for.
HOLD_PATIENCE_S = 4.0
# Deceleration [m/s^2] with which the controller itself stops what little is left of a motion.
STOP_DECELERATION = 2.0
# The program still runs, so it can stop the arm.
STOPPABLE = (ArmStatus.RUNNING, ArmStatus.NO_REMOTE_CONTROL)

T = TypeVar('T')


@dataclass(frozen=True)
class Tick:
    """What happened in one control period."""

    now_ns: int
    state: RobotState
    command: Command | None
    mode: ModeState


@dataclass(frozen=True)
class Offer:
    """A chunk, when it came, and what became of it."""

    chunk: ActionChunk
    received_ns: int
    transport_ms: float
    verdict: Verdict


class ArmLoop:
    """Reads the arm, serves requests, feeds the arm and reports, once a period."""

    def __init__(
        self,
        arm: Arm,
        stream: CommandStream,
        now_ns: Callable[[], int],
        on_tick: Callable[[Tick], None],
        on_offer: Callable[[Offer], None],
        on_error: Callable[[BaseException], None],
        watch: DriverWatch,
        say: Callable[[str], object],
        speed: float = 1.0,
    ) -> None:
        """say: takes a line for the log. speed: how fast `now_ns` runs against the wall's."""
        self.stream = stream
        self.protective_stops = 0
        self.link_losses: Counter[str] = Counter()
        self.recovery = Recovery(stream, self._connect, now_ns, say)
        self._watch = watch
        self._arm, self._now_ns, self._clock = arm, now_ns, ClockWatch(speed)
        self._on_tick, self._on_offer = on_tick, on_offer
        self._requests: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._releasing: list[Future[Answer]] = []
        self._streamed = False
        self.state = arm.read()
        self._loop = ControlLoop(stream.config.period_s / speed, self._tick, on_error)
        self.statistics = self._loop.statistics
        self._loop.start()
        self.thread_id = self._loop.thread_id

    def close(self) -> None:
        """Brake, end the thread and let go of the arm; bounded, whatever state the peer is in."""
        with contextlib.suppress(FutureTimeoutError):
            self.ask(Call.RELEASE).result(1.0)
        # A thread that is stuck in the vendor's library must not keep the process alive.
        if self._loop.stop(timeout_s=0.5):
            self._arm.close()
        self._watch.stop()

    # Called from other threads.

    def ask(self, call: Call) -> 'Future[Answer]':
        """Arm, release, hold or recover; the answer comes from the control thread."""
        actions: dict[Call, Callable[[Future[Answer]], None]] = {
            Call.ARM: self._do_arm,
            Call.RELEASE: self._do_release,
            Call.HOLD: self._do_hold,
            Call.RECOVER: lambda future: self.recovery.begin(future, self.state),
        }
        future: Future[Answer] = Future()
        self._requests.put(lambda: actions[call](future))
        return future

    def offer(self, chunk: ActionChunk, transport_ms: float) -> None:
        """A chunk of the policy."""
        self._requests.put(lambda: self._do_offer(chunk, transport_ms))

    def teleoperate(self, twist: Sample, released: bool) -> None:
        """A twist of the operator, the last one if the deadman was released."""
        self._requests.put(lambda: self._do_teleoperate(twist, released))

    def refuse(self, text: str) -> None:
        """A message that could not be read as a chunk."""
        self._requests.put(lambda: self.stream.refuse(text))

    def policy_lost(self, text: str) -> None:
        """The process that plans is gone."""
        self._requests.put(lambda: self.stream.policy_lost(text))

    def policy_found(self) -> None:
        """A process that plans is there."""
        self._requests.put(self.stream.policy_found)

    def policy_blind(self) -> None:
        """The policy has withdrawn its plan."""
        self._requests.put(self.stream.policy_blind)

    def clocks_differ(self, fault: str) -> None:
        """How the policy's clock differs from ours; '' if it does not."""
        self._requests.put(lambda: self.stream.clocks_differ(fault))

    # The control thread.

    def _tick(self) -> None:
        self._read()
        self._serve()
        self._look_at_clock()
        self.recovery.step()
        command = self._feed()
        self._on_tick(Tick(self._now_ns(), self.state, command, self.stream.mode))

    def _read(self) -> None:
        before = self.state.status
        self.state = self._guarded('read', self._arm.read)
        after = self.state.status
        if after is not before:
            self.protective_stops += after is ArmStatus.PROTECTIVE_STOP
            if after is ArmStatus.LINK_LOST:
                self.link_losses[self.state.detail] += 1

    def _look_at_clock(self) -> None:
        fault = self._clock.fault(self._now_ns(), time.monotonic_ns())
        if fault:
            self.stream.clock_jumped(fault)

    def _serve(self) -> None:
        while not self._requests.empty():
            self._requests.get_nowait()()

    def _feed(self) -> Command | None:
        command = self.stream.tick(self._now_ns(), self.state)
        if command is not None:
            self._try('send', lambda: self._arm.send(command))
        elif self._streamed and self.state.status in STOPPABLE:
            self._try('hold', lambda: self._arm.hold(STOP_DECELERATION), HOLD_PATIENCE_S)
        self._streamed = command is not None
        if not self._streamed:
            for future in self._releasing:
                future.set_result((True, f'the arm is {self.stream.mode.mode.value}'))
            self._releasing.clear()
        return command

    def _guarded(self, what: str, action: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
        """Call the arm under watch: a call that came back late is a lost link all the same."""
        try:
            return self._watch.call(what, action, patience_s)
        finally:
            if self._watch.stuck:
                self.link_losses[self._watch.stuck] += 1
                self.stream.link_lost(self._watch.stuck)

    def _try(self, what: str, action: Callable[[], None], patience_s: float = PATIENCE_S) -> None:
        try:
            self._guarded(what, action, patience_s)
        except ArmError as error:
            self.stream.link_lost(str(error))

    def _connect(self, unlock_stop: bool = False) -> RobotState:
        """Connect the arm anew; raises ArmError."""
        self._guarded('connect', lambda: self._arm.connect(unlock_stop), CONNECT_PATIENCE_S)
        self._read()
        return self.state

    def _do_arm(self, future: 'Future[Answer]') -> None:
        accepted = self.stream.mode.mode in ACCEPTED[Call.ARM]
        try:
            # The cause is gone: only the program has to be started.
            if accepted and self.state.status is ArmStatus.PROGRAM_STOPPED:
                self._connect()
            refusal = self.stream.arm(self._now_ns(), self.state)
        except ArmError as error:
            refusal = str(error)
        future.set_result((refusal is None, refusal or 'the policy commands the arm'))

    def _do_release(self, future: 'Future[Answer]') -> None:
        self.stream.release()
        self._releasing.append(future)

    def _do_hold(self, future: 'Future[Answer]') -> None:
        self.stream.hold('by service')
        mode = self.stream.mode.mode
        future.set_result((mode not in COMMANDED, f'the arm is {mode.value}'))

    def _do_teleoperate(self, twist: Sample, released: bool) -> None:
        self.stream.teleoperate(twist, self._now_ns(), self.state, released)

    def _do_offer(self, chunk: ActionChunk, transport_ms: float) -> None:
        now = self._now_ns()
        self._on_offer(Offer(chunk, now, transport_ms, self.stream.offer(chunk, now)))
