"""The executor's modes as a pure state machine: an event either changes the mode or is refused."""

import enum
from dataclasses import dataclass


class Mode(enum.Enum):
    """Who commands the arm."""

    IDLE = 'idle'  # connected; nothing is sent
    POLICY = 'policy'  # the schedule of the policy's chunks is played
    TELEOPERATED = 'teleoperated'  # a person commands, as long as the deadman is pressed
    HOLDING = 'holding'  # brought to rest under limits, and kept there; waits for a re-arm
    STOPPED = 'stopped'  # the controller itself refuses motion (protective stop, program stopped)
    FAULT = 'fault'  # the link to the arm is gone; the executor must be configured again


# Somebody's waypoints are played.
COMMANDED = (Mode.POLICY, Mode.TELEOPERATED)


class Event(enum.Enum):
    """What can happen to the arm."""

    ARM = 'arm requested'
    HOLD = 'hold requested'
    TAKEN_OVER = 'the operator took over'
    GIVEN_BACK = 'the operator gave back to the policy'
    LET_GO = 'the operator let go'
    STARVED = 'the chunks ran out'
    POLICY_LOST = 'the policy is gone'
    REFUSED = 'a chunk was refused'
    CONTROLLER_STOPPED = 'the controller stopped'
    LINK_LOST = 'the link to the arm was lost'
    RELEASED = 'released'


_ANY = tuple(Mode)

TRANSITIONS: dict[Event, dict[Mode, Mode]] = {
    Event.ARM: dict.fromkeys((Mode.IDLE, Mode.HOLDING, Mode.STOPPED), Mode.POLICY),
    Event.HOLD: dict.fromkeys((Mode.POLICY, Mode.TELEOPERATED), Mode.HOLDING),
    Event.TAKEN_OVER: dict.fromkeys((Mode.IDLE, Mode.HOLDING, Mode.POLICY), Mode.TELEOPERATED),
    Event.GIVEN_BACK: {Mode.TELEOPERATED: Mode.POLICY},
    Event.LET_GO: {Mode.TELEOPERATED: Mode.HOLDING},
    Event.STARVED: {Mode.POLICY: Mode.HOLDING},
    Event.POLICY_LOST: {Mode.POLICY: Mode.HOLDING},
    Event.REFUSED: {Mode.POLICY: Mode.HOLDING},
    Event.CONTROLLER_STOPPED: dict.fromkeys(
        (Mode.POLICY, Mode.TELEOPERATED, Mode.HOLDING), Mode.STOPPED
    ),
    Event.LINK_LOST: dict.fromkeys(_ANY, Mode.FAULT),
    Event.RELEASED: dict.fromkeys(_ANY, Mode.IDLE),
}


@dataclass(frozen=True)
class ModeState:
    """The present mode and why it was entered."""

    mode: Mode = Mode.IDLE
    reason: str = 'not armed yet'

    def after(self, event: Event, detail: str = '') -> 'ModeState':
        """The state after `event`; unchanged where the event means nothing in this mode."""
        target = TRANSITIONS[event].get(self.mode)
        if target is None or target is self.mode:
            return self
        reason = f'{event.value}: {detail}' if detail else event.value
        return ModeState(target, reason)

    def allows(self, event: Event) -> bool:
        """Whether `event` means anything in this mode."""
        return self.mode in TRANSITIONS[event]

    @property
    def streaming(self) -> bool:
        """Whether setpoints are sent to the arm."""
        return self.mode in (Mode.POLICY, Mode.TELEOPERATED, Mode.HOLDING)
