"""The control thread: it alone owns the arm and the command stream.

Other threads leave requests in a queue, so no lock is ever held while the arm is fed.
"""

import queue
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass

from dp_ros.core.chunk import Verdict
from dp_ros.core.mode import COMMANDED, ModeState
from dp_ros.core.robot import ArmStatus, Command, RobotState
from dp_ros.core.stamped import ActionChunk, Sample
from dp_ros.core.stream import CommandStream
from dp_ros.hardware.arm import Arm, ArmError
from dp_ros.nodes.control_loop import ControlLoop

# Connecting anew after a protective stop may take the driver's five seconds.
ANSWER_TIMEOUT_S = 8.0
# Deceleration [m/s^2] with which the controller itself stops what little is left of a motion.
STOP_DECELERATION = 2.0

Answer = tuple[bool, str]


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
        speed: float = 1.0,
    ) -> None:
        """speed: how fast `now_ns` runs against a clock on the wall."""
        self.stream = stream
        self.protective_stops = 0
        self._arm, self._now_ns = arm, now_ns
        self._on_tick, self._on_offer = on_tick, on_offer
        self._requests: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._releasing: list[Future[Answer]] = []
        self._streamed = False
        self._state = arm.read()
        self._loop = ControlLoop(stream.config.period_s / speed, self._tick, on_error)
        self.statistics = self._loop.statistics
        self._loop.start()

    def close(self) -> None:
        """Brake, end the thread and let go of the arm; bounded, whatever state the peer is in."""
        self.release(timeout_s=1.0)
        # A thread that is stuck in the vendor's library must not keep the process alive.
        if self._loop.stop(timeout_s=0.5):
            self._arm.close()

    # Called from other threads.

    def arm(self) -> Answer:
        """Hand the arm to the policy."""
        return self._ask(self._do_arm, ANSWER_TIMEOUT_S)

    def release(self, timeout_s: float = ANSWER_TIMEOUT_S) -> Answer:
        """Brake, then stop commanding the arm."""
        return self._ask(self._do_release, timeout_s)

    def hold(self) -> Answer:
        """Brake and stay."""
        return self._ask(self._do_hold, ANSWER_TIMEOUT_S)

    def offer(self, chunk: ActionChunk, transport_ms: float) -> None:
        """A chunk of the policy."""
        self._requests.put(lambda: self._do_offer(chunk, transport_ms))

    def teleoperate(self, twist: Sample) -> None:
        """A twist of the operator."""
        self._requests.put(lambda: self._do_teleoperate(twist))

    def refuse(self, text: str) -> None:
        """A message that could not be read as a chunk."""
        self._requests.put(lambda: self.stream.refuse(text))

    def policy_lost(self, text: str) -> None:
        """The process that plans is gone."""
        self._requests.put(lambda: self.stream.policy_lost(text))

    def _ask(self, action: Callable[['Future[Answer]'], None], timeout_s: float) -> Answer:
        future: Future[Answer] = Future()
        self._requests.put(lambda: action(future))
        try:
            return future.result(timeout_s)
        except FutureTimeoutError:
            return False, f'the control thread did not answer within {timeout_s:.0f} s'

    # The control thread.

    def _tick(self) -> None:
        self._read()
        self._serve()
        command = self._feed()
        self._on_tick(Tick(self._now_ns(), self._state, command, self.stream.mode))

    def _read(self) -> None:
        before = self._state.status
        self._state = self._arm.read()
        stopped = self._state.status is ArmStatus.PROTECTIVE_STOP
        self.protective_stops += stopped and before is not ArmStatus.PROTECTIVE_STOP

    def _serve(self) -> None:
        while not self._requests.empty():
            self._requests.get_nowait()()

    def _feed(self) -> Command | None:
        command = self.stream.tick(self._now_ns(), self._state)
        if command is not None:
            try:
                self._arm.send(command)
            except ArmError as error:
                self.stream.link_lost(str(error))
        elif self._streamed and self._state.status is ArmStatus.RUNNING:
            self._arm.hold(STOP_DECELERATION)
        self._streamed = command is not None
        if not self._streamed:
            for future in self._releasing:
                future.set_result((True, f'the arm is {self.stream.mode.mode.value}'))
            self._releasing.clear()
        return command

    def _do_arm(self, future: 'Future[Answer]') -> None:
        try:
            if self._state.status not in (ArmStatus.RUNNING, ArmStatus.LINK_LOST):
                self._arm.connect()
                self._state = self._arm.read()
            refusal = self.stream.arm(self._now_ns(), self._state)
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

    def _do_teleoperate(self, twist: Sample) -> None:
        self.stream.teleoperate(twist, self._now_ns(), self._state)

    def _do_offer(self, chunk: ActionChunk, transport_ms: float) -> None:
        now = self._now_ns()
        self._on_offer(Offer(chunk, now, transport_ms, self.stream.offer(chunk, now)))
