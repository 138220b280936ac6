"""A recovery that a person asked for, step by step in the control thread.

Connect, which unlocks a protective stop, uploads the program, and reconnects a lost link; then let
the stream hold the arm, or go back first. A lost link is tried a few times with a growing pause.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future

from dp_ros.core.backoff import Backoff
from dp_ros.core.mode import Call, Event, Mode, standstill
from dp_ros.core.robot import ArmStatus, RobotState
from dp_ros.core.stream import CommandStream
from dp_ros.hardware.arm import ArmError

# Three tries: at once, and 0.5 and 1 s after a failure. Each takes 5 s at the most.
TRIES = Backoff(first_s=0.5, longest_s=2.0, most=2, within_s=60.0)
# What a person is asked to do before the arm can be connected to at all. Remote control is not
# among them: it is looked at too rarely, and connecting asks for it anyhow.
BY_HAND = (
    ArmStatus.SAFEGUARD_STOP,
    ArmStatus.NOT_OPERATIONAL,
    ArmStatus.EMERGENCY_STOP,
    ArmStatus.SAFETY_FAULT,
)

Answer = tuple[bool, str]


class Recovery:
    """At most one at a time. tries, reconnects: how often a lost link was tried, and came back.

    connect: connects the arm and returns its state; True lets it unlock a protective stop.
    """

    def __init__(
        self,
        stream: CommandStream,
        connect: Callable[[bool], RobotState],
        now_ns: Callable[[], int],
        say: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tries = self.reconnects = 0
        self._stream, self._connect, self._now_ns = stream, connect, now_ns
        self._say, self._clock = say, clock
        self._future: Future[Answer] | None = None
        self._failed: list[float] = []
        self._due = 0.0
        self._moving = False

    def begin(self, future: 'Future[Answer]', state: RobotState) -> None:
        """Take a request; its future gets the answer when the arm holds, or cannot."""
        refusal = (
            'a recovery is under way already' if self._future is not None else self._refused(state)
        )
        if refusal:
            future.set_result((False, refusal))
            return
        self._future, self._moving = future, False
        self._failed.clear()
        self._due = self._clock()

    def step(self) -> None:
        """Go on, once a control period."""
        if self._future is None:
            return
        mode = self._stream.mode
        if self._moving:
            if mode.mode is not Mode.RECOVERING:
                arrived = mode.reason == Event.ARRIVED.value
                self._answer(arrived, f'{mode.mode.value}: {mode.reason}')
        elif self._clock() >= self._due:
            self._try(lost=mode.mode is Mode.FAULT)

    def _refused(self, state: RobotState) -> str:
        refusal = self._stream.mode.refusal(Call.RECOVER)
        if not refusal and state.status in BY_HAND:
            refusal = standstill(state.status, state.detail)
        return refusal or self._stream.unlock_refused(self._now_ns())

    def _try(self, lost: bool) -> None:
        self.tries += lost
        try:
            state = self._connect(True)
        except ArmError as error:
            self._failed.append(self._clock())
            pause_s = TRIES.pause_s(self._failed, self._clock()) if lost else None
            if pause_s is None:
                self._answer(False, str(error))
            else:
                self._due = self._clock() + pause_s
                self._say(f'reconnect, try {len(self._failed)}: {error}; again in {pause_s:g} s')
            return
        if lost:
            self.reconnects += 1
            self._say(f'reconnected; {self.reconnects} so far')
        refusal = self._stream.recover(self._now_ns(), state)
        if refusal is not None:
            self._answer(False, refusal)
        elif self._stream.mode.mode is Mode.RECOVERING:
            self._moving = True
        else:
            self._answer(True, 'the arm holds where it stands; call /executor/arm to go on')

    def _answer(self, success: bool, text: str) -> None:
        future, self._future = self._future, None
        if future is not None:
            future.set_result((success, text))
