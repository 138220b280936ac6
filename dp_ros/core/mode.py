"""The executor's modes as a pure state machine: an event either changes the mode or is refused.

Three tables say all: what follows an event, which mode a stop of the controller leads to, and in
which modes a call that moves the arm is safe.
"""

import enum
from dataclasses import dataclass

from dp_ros.core.robot import ArmStatus


class Mode(enum.Enum):
    """Who commands the arm, or why nobody does."""

    IDLE = 'idle'  # connected; nothing is sent
    POLICY = 'policy'  # the schedule of the policy's chunks is played
    TELEOPERATED = 'teleoperated'  # a person commands, as long as the deadman is pressed
    HOLDING = 'holding'  # brought to rest under limits, and kept there; waits for a re-arm
    RECOVERING = 'recovering'  # after a protective stop: slowly back to the last safe pose
    # The controller refuses motion; the graver, the later in this list.
    PROGRAM_STOPPED = 'program_stopped'  # at the pendant, or by the controller's watchdog
    NO_REMOTE_CONTROL = 'no_remote_control'  # somebody took control at the pendant
    PROTECTIVE_STOP = 'protective_stop'  # a collision, or a limit of the controller
    SAFEGUARD_STOP = 'safeguard_stop'  # a gate or a scanner
    NOT_OPERATIONAL = 'not_operational'  # powered off, booting, or the brakes are on
    EMERGENCY_STOP = 'emergency_stop'  # the red button
    SAFETY_FAULT = 'safety_fault'  # violation, fault or recovery mode of the safety system
    FAULT = 'fault'  # the link to the arm is lost


# Somebody's waypoints are played.
COMMANDED = (Mode.POLICY, Mode.TELEOPERATED)
# Setpoints are sent to the arm.
STREAMED = (*COMMANDED, Mode.HOLDING, Mode.RECOVERING)

# What the arm reports -> the mode, the graver the later: a stop's consequences (a program that
# ended, power that went) do not hide the stop.
STOPPED_BY: dict[ArmStatus, Mode] = {
    ArmStatus.PROGRAM_STOPPED: Mode.PROGRAM_STOPPED,
    ArmStatus.NO_REMOTE_CONTROL: Mode.NO_REMOTE_CONTROL,
    ArmStatus.PROTECTIVE_STOP: Mode.PROTECTIVE_STOP,
    ArmStatus.SAFEGUARD_STOP: Mode.SAFEGUARD_STOP,
    ArmStatus.NOT_OPERATIONAL: Mode.NOT_OPERATIONAL,
    ArmStatus.EMERGENCY_STOP: Mode.EMERGENCY_STOP,
    ArmStatus.SAFETY_FAULT: Mode.SAFETY_FAULT,
    ArmStatus.LINK_LOST: Mode.FAULT,
}
STOPS = tuple(STOPPED_BY.values())
CONTROLLER_STOPS = tuple(mode for mode in STOPS if mode is not Mode.FAULT)

# What a person does next.
_RECOVER = 'then call /executor/recover'
ADVICE: dict[Mode, str] = {
    Mode.IDLE: 'call /executor/arm',
    Mode.POLICY: 'call /executor/hold to stop it',
    Mode.TELEOPERATED: 'release the deadman to stop it',
    Mode.HOLDING: 'call /executor/arm to go on',
    Mode.RECOVERING: 'wait until it holds, or call /executor/hold',
    Mode.PROGRAM_STOPPED: 'call /executor/recover to hold, or /executor/arm to go on',
    Mode.NO_REMOTE_CONTROL: f'switch to Remote Control at the pendant, {_RECOVER}',
    Mode.PROTECTIVE_STOP: f'find what the arm ran into, wait 5 s, {_RECOVER}',
    Mode.SAFEGUARD_STOP: f'close the gate and reset the safeguard, {_RECOVER}',
    Mode.NOT_OPERATIONAL: f'power the arm on and release its brakes at the pendant, {_RECOVER}',
    Mode.EMERGENCY_STOP: f'make the cell safe, release the button, power the arm on, {_RECOVER}',
    Mode.SAFETY_FAULT: f'clear it at the pendant, whose log tells it, {_RECOVER}',
    Mode.FAULT: f'see that the robot is on and its cable is in, {_RECOVER}',
}


class Event(enum.Enum):
    """What can happen to the arm, besides what it reports itself."""

    ARM = 'arm requested'
    HOLD = 'hold requested'
    TAKEN_OVER = 'the operator took over'
    GIVEN_BACK = 'the operator gave back to the policy'
    LET_GO = 'the operator let go'
    STARVED = 'the chunks ran out'
    POLICY_LOST = 'the policy is gone'
    BLIND = 'the policy sees too little to go on'
    REFUSED = 'a chunk was refused'
    CLOCK_JUMPED = 'the clock jumped'
    CLOCKS_DIFFER = 'the clocks of policy and executor differ'
    UNKNOWN_STATE = 'the arm does not say where it is'
    LINK_LOST = 'the link to the arm was lost'
    RECOVERED = 'recovered by request'
    MOVED_BACK = 'moving back to the last safe pose'
    ARRIVED = 'back at the last safe pose'
    RELEASED = 'released'


_ANY = tuple(Mode)

TRANSITIONS: dict[Event, dict[Mode, Mode]] = {
    Event.ARM: dict.fromkeys((Mode.IDLE, Mode.HOLDING, *CONTROLLER_STOPS), Mode.POLICY),
    Event.HOLD: dict.fromkeys((*COMMANDED, Mode.RECOVERING), Mode.HOLDING),
    Event.TAKEN_OVER: dict.fromkeys((Mode.IDLE, Mode.HOLDING, Mode.POLICY), Mode.TELEOPERATED),
    Event.GIVEN_BACK: {Mode.TELEOPERATED: Mode.POLICY},
    Event.LET_GO: {Mode.TELEOPERATED: Mode.HOLDING},
    Event.STARVED: {Mode.POLICY: Mode.HOLDING},
    Event.POLICY_LOST: {Mode.POLICY: Mode.HOLDING},
    Event.BLIND: {Mode.POLICY: Mode.HOLDING},
    Event.REFUSED: {Mode.POLICY: Mode.HOLDING},
    Event.CLOCK_JUMPED: dict.fromkeys(COMMANDED, Mode.HOLDING),
    Event.CLOCKS_DIFFER: {Mode.POLICY: Mode.HOLDING},
    Event.UNKNOWN_STATE: dict.fromkeys((*COMMANDED, Mode.RECOVERING), Mode.HOLDING),
    Event.LINK_LOST: dict.fromkeys(_ANY, Mode.FAULT),
    Event.RECOVERED: dict.fromkeys(STOPS, Mode.HOLDING),
    Event.MOVED_BACK: {Mode.PROTECTIVE_STOP: Mode.RECOVERING},
    Event.ARRIVED: {Mode.RECOVERING: Mode.HOLDING},
    Event.RELEASED: {Mode.HOLDING: Mode.IDLE},
}


class Call(enum.Enum):
    """What a person or a program can ask of the executor."""

    ARM = 'arm'
    TELEOPERATE = 'teleoperate'
    RECOVER = 'recover'
    HOLD = 'hold'
    RELEASE = 'release'


# The modes in which a call is accepted. Hold and release only brake. Where a stop of the
# controller is the mode, its cause must be gone besides.
ACCEPTED: dict[Call, frozenset[Mode]] = {
    Call.ARM: frozenset({Mode.IDLE, Mode.HOLDING, *CONTROLLER_STOPS}),
    Call.TELEOPERATE: frozenset({Mode.IDLE, Mode.HOLDING, *COMMANDED}),
    Call.RECOVER: frozenset(STOPS),
    Call.HOLD: frozenset(_ANY),
    Call.RELEASE: frozenset(_ANY),
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

    def seeing(self, status: ArmStatus, detail: str = '') -> 'ModeState':
        """The state after the arm reported `status`; only a graver stop replaces a stop."""
        if status is ArmStatus.RUNNING:
            return self
        if status is ArmStatus.LINK_LOST:
            return self.after(Event.LINK_LOST, detail)
        target = STOPPED_BY[status]
        if self.mode in STOPS and STOPS.index(target) <= STOPS.index(self.mode):
            return self
        more = f', {detail}' if detail else ''
        return ModeState(target, f'the controller stopped: {status.value}{more}')

    def refusal(self, call: Call) -> str:
        """Why `call` is not accepted in this mode, and what to do; '' if it is."""
        if self.mode in ACCEPTED[call]:
            return ''
        advice = ADVICE[self.mode]
        return f'cannot {call.value} in mode {self.mode.value}: {self.reason}; {advice}'

    @property
    def streaming(self) -> bool:
        """Whether setpoints are sent to the arm."""
        return self.mode in STREAMED


def standstill(status: ArmStatus, detail: str = '') -> str:
    """Why an arm that reports `status` cannot be moved, and what to do; '' if it can."""
    if status is ArmStatus.RUNNING:
        return ''
    more = f' ({detail})' if detail else ''
    return f'the controller reports: {status.value}{more}; {ADVICE[STOPPED_BY[status]]}'
