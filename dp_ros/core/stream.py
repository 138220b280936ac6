"""The command stream: chunks, mode and limits in, one safe command a tick out.

This is all that the executor decides. It reads no clock: every call is given the time, and the
arm's state as it was read at that time.
"""

from collections import Counter

import numpy as np

from dp_ros.core import jog, reach
from dp_ros.core.chunk import Schedule, Verdict
from dp_ros.core.mode import COMMANDED, Call, Event, Mode, ModeState, standstill
from dp_ros.core.robot import Command, RobotState
from dp_ros.core.safety import Motion
from dp_ros.core.stamped import ActionChunk, Array, Sample, frozen_array
from dp_ros.core.stream_config import StreamConfig
from dp_ros.core.trail import Trail


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
        self._gives_back = self._let_go = False
        self._trail = Trail(config.back_ns)
        self._stopped_ns = 0
        self._way_ns = 0
        self._absence = ''
        self._clocks_fault = ''
        self._foresight_ns = round(config.limits.foresight(config.period_s) * 1e9)

    def arm(self, now_ns: int, state: RobotState) -> str | None:
        """Hand the arm to the policy. Returns None, or the sentence that says why not."""
        if self.mode.mode is Mode.POLICY:
            return 'the policy already commands the arm'
        refusal = self.mode.refusal(Call.ARM) or standstill(state.status, state.detail)
        if refusal:
            return refusal
        if self._absence:
            return (
                f'{Event.POLICY_LOST.value}: {self._absence}; arm once it has been started again'
            )
        if self._clocks_fault:
            return f'{Event.CLOCKS_DIFFER.value}: {self._clocks_fault}'
        if self._motion is not None and not self._motion.still:
            return 'the arm is still braking; arm it once it stands'
        # An arm that is held stays where it was sent to: a restart from its reading would jump.
        held = self._motion.setpoint if self._motion is not None else None
        standing = self._standing(state) if held is None else held
        outside = reach.refusal(standing, state, self.config.limits)
        if outside:
            return outside
        if held is None:
            self._trail = Trail(self.config.back_ns)
        self._motion = self.config.limits.standing(standing, state.joint_positions)
        self._schedule = self._schedule.started(now_ns, standing)
        self._armed_ns = now_ns
        self._releasing = False
        self.mode = self.mode.after(Event.ARM)
        return None

    def unlock_refused(self, now_ns: int) -> str:
        """Why a protective stop may not be unlocked yet; '' if it may, or if there is none."""
        left_s = (self._stopped_ns + self.config.unlock_ns - now_ns) / 1e9
        if self.mode.mode is not Mode.PROTECTIVE_STOP or left_s <= 0:
            return ''
        wait_s = self.config.unlock_ns / 1e9
        return (
            f'a protective stop is unlocked no sooner than {wait_s:g} s after it; find what the '
            f'arm ran into, and call again in {left_s:.1f} s'
        )

    def recover(self, now_ns: int, state: RobotState) -> str | None:
        """Hold an arm that runs again after a stop; after a protective one go back first.

        Returns None, or the sentence that says why not. The way back leads slowly along the trail
        of the arm to where it was `back_ns` before the stop.
        """
        standing = self._standing(state)
        refusal = (
            self.mode.refusal(Call.RECOVER)
            or standstill(state.status, state.detail)
            or reach.refusal(standing, state, self.config.limits)
        )
        if refusal:
            return refusal
        self._motion = self.config.limits.standing(standing, state.joint_positions)
        self._schedule = self._schedule.started(now_ns, standing)
        self._releasing = False
        way = None
        if self.mode.mode is Mode.PROTECTIVE_STOP:
            speeds = self.config.back_speed, self.config.back_angular_speed
            way = self._trail.way_back(standing, now_ns, *speeds)
        if way is None:
            self.mode = self.mode.after(Event.RECOVERED)
        else:
            self._schedule, _ = self._schedule.accept(way, now_ns)
            self._way_ns = now_ns
            self.mode = self.mode.after(Event.MOVED_BACK)
        return None

    def teleoperate(
        self, twist: Sample, now_ns: int, state: RobotState, released: bool = False
    ) -> str:
        """Follow the operator's twist (6,) [m/s, rad/s] in the base frame, or say why not.

        The first twist after a silence is the deadman being pressed: it takes the arm, from a
        policy too, without a jump. Silence ends it: the arm brakes. Only where the last twist says
        that the deadman was `released`, a policy that was interrupted gets the arm back: who sent
        the twists may be gone. A stop in between lasts until the next press.
        """
        if released and self.mode.mode is not Mode.TELEOPERATED:
            return ''  # nobody commands, and nobody begins to
        pressed = now_ns - self._twist.stamp_ns > self.config.twist_ns
        refusal = self._twist_refused(twist, now_ns, state, pressed)
        self.twists['refused' if refusal else 'followed'] += 1
        self.twist_refusal = refusal
        self._twist = Sample(now_ns, self._twist.value if refusal else twist.value)
        self._let_go = released and not refusal
        if refusal:
            return refusal
        if self.mode.mode is not Mode.TELEOPERATED:
            self._gives_back = self.mode.mode is Mode.POLICY
            if self._motion is None:
                standing = self._standing(state)
                self._trail = Trail(self.config.back_ns)
                self._motion = self.config.limits.standing(standing, state.joint_positions)
                self._schedule = self._schedule.started(now_ns, standing)
            elif not self._gives_back:
                # What was planned before the arm was held is void: from where it is sent now.
                self._schedule = self._schedule.started(now_ns, self._motion.setpoint)
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
        """The process that plans is gone: until it is found again, it must not be armed."""
        self._absence = detail
        self._gives_back = False
        self.mode = self.mode.after(Event.POLICY_LOST, detail)

    def policy_found(self) -> None:
        """A process that plans is there."""
        self._absence = ''

    def policy_blind(self) -> None:
        """The policy has withdrawn its plan: it gets no windows."""
        self._gives_back = False
        self.mode = self.mode.after(Event.BLIND, 'which stream, the observation node says')

    def clock_jumped(self, detail: str) -> None:
        """The clock that everything is due by cannot be trusted."""
        self._gives_back = False
        self.mode = self.mode.after(Event.CLOCK_JUMPED, detail)

    def clocks_differ(self, fault: str) -> None:
        """The policy's clock against ours: until `fault` is '', the policy must not command."""
        self._clocks_fault = fault
        if fault:
            self._gives_back = False
            self.mode = self.mode.after(Event.CLOCKS_DIFFER, fault)

    def link_lost(self, detail: str) -> None:
        """The arm cannot be reached any more."""
        self.mode = self.mode.after(Event.LINK_LOST, detail)

    def offer(self, chunk: ActionChunk, now_ns: int) -> Verdict:
        """Take a chunk into the schedule, or refuse it; what is malformed also stops the arm."""
        if self.mode.mode is not Mode.POLICY or self._motion is None:
            return self._counted(Verdict.NOT_ARMED)
        if chunk.splice_ns < self._armed_ns + self.config.epoch_ns:
            return self._counted(Verdict.OLD_EPOCH)
        schedule, verdict = self._schedule.accept(chunk, now_ns + self.config.lead_ns)
        if verdict in (Verdict.WRONG_SIZE, Verdict.NOT_FINITE, Verdict.NOT_A_ROTATION):
            self.mode = self.mode.after(Event.REFUSED, verdict.value)
        elif verdict is Verdict.ACCEPTED:
            first = self._schedule.splice_ns is None
            start = self._motion_now().setpoint if first else self._schedule.near(chunk.splice_ns)
            verdict, detail = reach.of_chunk(chunk, start, first, self.config)
            if verdict is not Verdict.ACCEPTED:
                self.mode = self.mode.after(Event.REFUSED, f'{verdict.value}: {detail}')
        if verdict is Verdict.ACCEPTED:
            self._schedule = schedule
        return self._counted(verdict)

    def tick(self, now_ns: int, state: RobotState) -> Command | None:
        """The command of this control period; None when nothing may be sent.

        Limits hold per period of nominal length: when a tick comes late, the arm moves slower.
        """
        self._notice(state, now_ns)
        if self._motion is None or not self.mode.streaming:
            return None
        request = self._requested(now_ns)
        if request is None:
            self._motion = self.config.limits.brake(self._motion)
        else:
            self._motion, reasons = self.config.limits.follow(
                self._motion, request, self.config.period_s
            )
            self.limited.update(reasons)
        if self._releasing and self._motion.still:
            self.mode = self.mode.after(Event.RELEASED)
            self._motion = None
            return None
        return Command(self.config.space, self._motion.setpoint)

    def ahead(self, now_ns: int) -> ActionChunk | None:
        """The committed waypoints still to come, within the workspace, as they will be played."""
        ahead = self._schedule.ahead(now_ns) if self.mode.mode in COMMANDED else None
        if ahead is None:
            return None
        bounds, waypoints = self.config.limits.axes, np.array(ahead.waypoints)
        axes = len(bounds.low)
        waypoints[:, :axes] = np.clip(waypoints[:, :axes], bounds.low, bounds.high)
        return ActionChunk(ahead.stamps_ns, frozen_array(waypoints))

    def _notice(self, state: RobotState, now_ns: int) -> None:
        """Let the arm's own state change the mode."""
        before, self.mode = self.mode, self.mode.seeing(state.status, state.detail)
        if self.mode is not before:
            self._stopped_ns = now_ns
        standing = self._standing(state)
        if not np.isfinite(standing).all():
            self._gives_back = False
            detail = f'its state is {np.round(standing, 3).tolist()}'
            self.mode = self.mode.after(Event.UNKNOWN_STATE, detail)
        if not self.mode.streaming:
            self._motion = None
        elif self.mode.mode is not Mode.RECOVERING:
            self._trail = self._trail.seen(now_ns, standing)

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
        refusal = self.mode.refusal(Call.TELEOPERATE) or standstill(state.status, state.detail)
        if refusal:
            return refusal
        if not pressed:
            return 'the arm was stopped under the operator; release the deadman and press it anew'
        if self._motion is not None:
            return ''
        return reach.refusal(self._standing(state), state, self.config.limits)

    def _requested(self, now_ns: int) -> Array | None:
        """What who commands wants now; None: brake."""
        if self.mode.mode is Mode.TELEOPERATED:
            due = self._due(now_ns)
            if due is None:
                self._operator_silent(now_ns)
            return due
        if self.mode.mode is Mode.RECOVERING:
            # By nominal periods: after a late tick the arm is later, never faster.
            self._way_ns += round(self.config.period_s * 1e9)
            due = self._due(self._way_ns)
            if due is None:
                self.mode = self.mode.after(Event.ARRIVED)
            return due
        return self._request(now_ns) if self.mode.mode is Mode.POLICY else None

    def _operator_silent(self, now_ns: int) -> None:
        """The deadman was released, or whoever sends twists is gone."""
        if not self._let_go:
            self.mode = self.mode.after(Event.LET_GO, 'twists ceased without a release')
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
                self._schedule = self._schedule.started(now_ns + self.config.lead_ns, standing)
            return standing
        self.policy_ticks += 1
        due = self._due(now_ns + self.config.lead_ns)
        overdue = now_ns - splice > self.config.patience_ns
        if due is None or overdue:
            self.idle_ticks += 1
            detail = f'no new chunk for {(now_ns - splice) / 1e9:.1f} s'
            self.mode = self.mode.after(Event.STARVED, detail)
            return None
        self._schedule = self._schedule.trimmed(now_ns + self.config.lead_ns)
        return due

    def _due(self, now_ns: int) -> Array | None:
        """What a plan that begins now leads to; None when nothing is due now."""
        if not self._schedule.covers(now_ns):
            return None
        return self._schedule.near(now_ns + self._foresight_ns)

    def _motion_now(self) -> Motion:
        assert self._motion is not None
        return self._motion

    def _standing(self, state: RobotState) -> Array:
        return state.tcp_pose if self._schedule.pose else state.joint_positions

    def _counted(self, verdict: Verdict) -> Verdict:
        self.verdicts[verdict.name.lower()] += 1
        return verdict
