"""The command stream: chunks, mode and limits in, one safe command a tick out.

This is all that the executor decides. It reads no clock: every call is given the time, and the
arm's state as it was read at that time.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from dp_ros.core import jog
from dp_ros.core.chunk import Schedule, Verdict
from dp_ros.core.mode import COMMANDED, Event, Mode, ModeState
from dp_ros.core.robot import ArmStatus, Command, RobotState, Space
from dp_ros.core.safety import Motion, SafetyLimits
from dp_ros.core.stamped import ActionChunk, Array, Sample


@dataclass(frozen=True)
class StreamConfig:
    """Rules of one command stream.

    period_s: the control period;
    first_step: how far [m or rad, on any axis] the first waypoint after arming may lie from where
    the arm stands; first_chunk_ns: patience for it; patience_ns: how long one chunk may be played
    without a next one; epoch_ns: a chunk that splices sooner than this after arming was planned
    before it; twist_ns: how long a twist of the operator holds; twist_age_ns: how old it may be;
    free_axes: the axes x y z rx ry rz that the task lets an operator move.
    """

    space: Space
    limits: SafetyLimits
    period_s: float
    first_step: float
    first_chunk_ns: int
    patience_ns: int
    epoch_ns: int
    twist_ns: int = 120_000_000
    twist_age_ns: int = 200_000_000
    free_axes: tuple[bool, ...] = (True,) * 6


class CommandStream:
    """Mode, schedule and motion of the arm; one call of `tick` a control period."""

    def __init__(self, config: StreamConfig) -> None:
        self.config = config
        self.mode = ModeState()
        self.limited: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.policy_ticks = 0
        self.idle_ticks = 0
        pose = config.space == 'cartesian'
        self._schedule = Schedule(pose=pose, width=7 if pose else 6)
        self._motion: Motion | None = None
        self._armed_ns = 0
        self._releasing = False
        self.twists: Counter[str] = Counter()
        self.twist_refusal = ''
        self._twist = Sample(-(10**18), np.zeros(6))
        self._gives_back = False

    def arm(self, now_ns: int, state: RobotState) -> str | None:
        """Hand the arm to the policy. Returns None, or the sentence that says why not."""
        if self.mode.mode is Mode.POLICY:
            return 'the policy already commands the arm'
        if not self.mode.allows(Event.ARM):
            return f'cannot arm in mode {self.mode.mode.value}: {self.mode.reason}'
        if state.status is not ArmStatus.RUNNING:
            return f'the controller reports: {state.status.value}; clear that first'
        if self._motion is not None and not self._motion.still:
            return 'the arm is still braking; arm it once it stands'
        # An arm that is held stays where it was sent to: a restart from its reading would jump.
        held = self._motion.setpoint if self._motion is not None else None
        standing = self._standing(state) if held is None else held
        outside = self._outside(standing)
        if outside:
            return outside
        self._motion = Motion.at_rest(standing, self._schedule.pose)
        self._schedule = self._schedule.started(now_ns, standing)
        self._armed_ns = now_ns
        self._releasing = False
        self.mode = self.mode.after(Event.ARM)
        return None

    def teleoperate(self, twist: Sample, now_ns: int, state: RobotState) -> str:
        """Follow the operator's twist (6,) [m/s, rad/s] in the base frame, or say why not.

        The first twist after a silence is the deadman being pressed: it takes the arm, from a
        policy too, without a jump. Silence ends it: the arm brakes, and after a zero twist a
        policy that was interrupted gets it back. A stop in between lasts until the next press.
        """
        pressed = now_ns - self._twist.stamp_ns > self.config.twist_ns
        refusal = self._twist_refused(twist, now_ns, state, pressed)
        self.twists['refused' if refusal else 'followed'] += 1
        self.twist_refusal = refusal
        self._twist = Sample(now_ns, self._twist.value if refusal else twist.value)
        if refusal:
            return refusal
        if self.mode.mode is not Mode.TELEOPERATED:
            self._gives_back = self.mode.mode is Mode.POLICY
            if self._motion is None:
                standing = self._standing(state)
                self._motion = Motion.at_rest(standing, self._schedule.pose)
                self._schedule = self._schedule.started(now_ns, standing)
            self._releasing = False
            self.mode = self.mode.after(Event.TAKEN_OVER)
        free = np.array(self.config.free_axes)
        self._schedule = jog.extended(
            self._schedule,
            self._motion_now(),
            np.where(free, twist.value, 0.0),
            self.config.limits,
            now_ns,
            self.config.twist_ns,
        )
        return ''

    def hold(self, detail: str) -> None:
        """Brake and stay, on request."""
        self.mode = self.mode.after(Event.HOLD, detail)

    def release(self) -> None:
        """Brake, then stop commanding the arm at all; `mode` becomes idle once it is still."""
        self.hold('before release')
        self._releasing = True

    def refuse(self, detail: str) -> None:
        """A chunk could not even be read: brake, since the policy is not to be trusted."""
        self.verdicts['malformed'] += 1
        self._gives_back = False
        self.mode = self.mode.after(Event.REFUSED, detail)

    def policy_lost(self, detail: str) -> None:
        """The process that plans is gone."""
        self._gives_back = False
        self.mode = self.mode.after(Event.POLICY_LOST, detail)

    def link_lost(self, detail: str) -> None:
        """The arm cannot be reached any more."""
        self.mode = self.mode.after(Event.LINK_LOST, detail)

    def offer(self, chunk: ActionChunk, now_ns: int) -> Verdict:
        """Take a chunk into the schedule, or refuse it; what is malformed also stops the arm."""
        if self.mode.mode is not Mode.POLICY or self._motion is None:
            return self._counted(Verdict.NOT_ARMED)
        if chunk.splice_ns < self._armed_ns + self.config.epoch_ns:
            return self._counted(Verdict.OLD_EPOCH)
        schedule, verdict = self._schedule.accept(chunk, now_ns)
        if verdict in (Verdict.WRONG_SIZE, Verdict.NOT_FINITE, Verdict.NOT_A_ROTATION):
            self.mode = self.mode.after(Event.REFUSED, verdict.value)
        elif verdict is Verdict.ACCEPTED and self._schedule.splice_ns is None:
            axes = len(self.config.limits.axes.low)
            step = np.abs(chunk.waypoints[0] - self._motion.setpoint)[:axes].max()
            if step > self.config.first_step:
                verdict = Verdict.FAR_FROM_ARM
                detail = f'{step:.3f} away, {self.config.first_step:.3f} allowed'
                self.mode = self.mode.after(Event.REFUSED, f'{verdict.value}: {detail}')
        if verdict is Verdict.ACCEPTED:
            self._schedule = schedule
        return self._counted(verdict)

    def tick(self, now_ns: int, state: RobotState) -> Command | None:
        """The command of this control period; None when nothing may be sent.

        Limits hold per period of nominal length: when a tick comes late, the arm moves slower.
        """
        self._notice(state)
        if self._motion is None or not self.mode.streaming:
            return None
        request = self._requested(now_ns)
        if request is None:
            self._motion = self.config.limits.brake(self._motion, self.config.period_s)
        else:
            self._motion, reasons = self.config.limits.follow(
                self._motion, request, self.config.period_s
            )
            self.limited.update(limit.value for limit in reasons)
        if self._releasing and self._motion.still:
            self.mode = self.mode.after(Event.RELEASED)
            self._motion = None
            return None
        return Command(self.config.space, self._motion.setpoint)

    def ahead(self, now_ns: int) -> ActionChunk | None:
        """The committed waypoints still to come."""
        return self._schedule.ahead(now_ns) if self.mode.mode in COMMANDED else None

    def _notice(self, state: RobotState) -> None:
        """Let the arm's own state change the mode."""
        if state.status is ArmStatus.LINK_LOST:
            self.mode = self.mode.after(Event.LINK_LOST)
        elif state.status is not ArmStatus.RUNNING:
            self.mode = self.mode.after(Event.CONTROLLER_STOPPED, state.status.value)
        if not self.mode.streaming:
            self._motion = None

    def _twist_refused(self, twist: Sample, now_ns: int, state: RobotState, pressed: bool) -> str:
        """Why a twist is not followed; '' if it is."""
        age_ns = now_ns - twist.stamp_ns
        if not self._schedule.pose:
            return 'the task commands joints; a twist moves the tool centre point'
        if not np.isfinite(twist.value).all():
            return 'the twist is not finite'
        if abs(age_ns) > self.config.twist_age_ns:
            return f'the twist is {age_ns / 1e6:.0f} ms old'
        if self.mode.mode is Mode.TELEOPERATED:
            return ''
        if not self.mode.allows(Event.TAKEN_OVER):
            return f'no teleoperation in mode {self.mode.mode.value}: {self.mode.reason}'
        if state.status is not ArmStatus.RUNNING:
            return f'the controller reports: {state.status.value}; clear that first'
        if not pressed:
            return 'the arm was stopped under the operator; release the deadman and press it anew'
        return self._outside(self._standing(state)) if self._motion is None else ''

    def _requested(self, now_ns: int) -> Array | None:
        """What who commands wants now; None: brake."""
        if self.mode.mode is Mode.TELEOPERATED:
            due = self._schedule.due(now_ns)
            if due is None:
                self._operator_silent(now_ns)
            return due
        return self._request(now_ns) if self.mode.mode is Mode.POLICY else None

    def _operator_silent(self, now_ns: int) -> None:
        """The deadman was released, or whoever sends twists is gone."""
        released = not self._twist.value.any()
        if not released:
            self.mode = self.mode.after(Event.LET_GO, 'in the midst of a motion')
        elif not self._gives_back:
            self.mode = self.mode.after(Event.LET_GO)
        else:
            self._armed_ns = now_ns
            self._schedule = self._schedule.started(now_ns, self._motion_now().setpoint)
            self.mode = self.mode.after(Event.GIVEN_BACK)

    def _request(self, now_ns: int) -> Array | None:
        """What the schedule wants now; None when it has nothing, which also ends the policy."""
        splice = self._schedule.splice_ns
        if splice is None:
            waited = now_ns - self._armed_ns
            if waited > self.config.first_chunk_ns:
                detail = f'none came within {waited / 1e9:.1f} s of arming'
                self.mode = self.mode.after(Event.STARVED, detail)
                return None
            # Until the first chunk the arm stands, and that chunk starts from where it stands now.
            standing = self._motion.setpoint if self._motion is not None else None
            if standing is not None:
                self._schedule = self._schedule.started(now_ns, standing)
            return standing
        self.policy_ticks += 1
        due = self._schedule.due(now_ns)
        overdue = now_ns - splice > self.config.patience_ns
        if due is None or overdue:
            self.idle_ticks += 1
            detail = f'no new chunk for {(now_ns - splice) / 1e9:.1f} s'
            self.mode = self.mode.after(Event.STARVED, detail)
            return None
        self._schedule = self._schedule.trimmed(now_ns)
        return due

    def _outside(self, standing: Array) -> str:
        """A sentence where the arm stands outside the workspace, else ''."""
        bounds = self.config.limits.axes
        position = standing[: len(bounds.low)]
        if bounds.contains(position):
            return ''
        return (
            f'the arm stands at {np.round(position, 4).tolist()}, outside the workspace '
            f'{bounds.low.tolist()} .. {bounds.high.tolist()}; move it inside'
        )

    def _motion_now(self) -> Motion:
        assert self._motion is not None
        return self._motion

    def _standing(self, state: RobotState) -> Array:
        return state.tcp_pose if self._schedule.pose else state.joint_positions

    def _counted(self, verdict: Verdict) -> Verdict:
        self.verdicts[verdict.name.lower()] += 1
        return verdict
