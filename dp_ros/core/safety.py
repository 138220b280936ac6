"""The one place where limits are applied: a requested setpoint becomes a safe one, with reasons.

Safe by induction. Every setpoint that is sent comes with a path to rest, one setpoint a control
period, all of which keeps every limit. The next setpoints, nearer to what is requested, and their
own path to rest are planned and judged; if they break a limit, gentler ones are tried, and if
those do too, the next setpoints of the path that is known to be good are sent. So
a verified way to stand still always exists, and nothing that was not verified is ever sent,
whatever is requested, and whenever.

A moving target is followed at the distance that the arm needs to stop, v^2/(2a) + v a/(2j): where
it stops, the arm comes to rest on it, or goes beyond it by no more than the target moves in one
plan; beyond the edge of what is allowed it does not go.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from dp_ros.core import asking, pace, profile, turning, way
from dp_ros.core.kinematics import Kinematics
from dp_ros.core.limits import AxisLimits, JointLimits, Limit, ToolLimits
from dp_ros.core.motion import Motion
from dp_ros.core.outlook import Path, misplaced, moved_too_fast, turned_too_fast
from dp_ros.core.pace import Other, Pace
from dp_ros.core.profile import Bounds, State
from dp_ros.core.stamped import Array
from dp_ros.core.way import Aim, Judged

__all__ = ['AxisLimits', 'JointLimits', 'Limit', 'Motion', 'SafetyLimits', 'ToolLimits']

# A rotation missed by no more than this [rad] counts as followed; one below the second is none.
ANGULAR_TOLERANCE = 0.02
NO_TURN = 1e-9
# A plan leads so far [s] before it brakes, and so often a new one is made: planning every setpoint
# of a fast stream would cost more than the stream.
PLAN_S = 0.016
# A plan uses this share of the limits of its own axes: nothing hangs on the last digit.
USED = 0.999


@dataclass(frozen=True)
class SafetyLimits:
    """Limits of one arm in one action space.

    pose: whether poses are commanded, else joints; axes: those that are commanded, x y z or the
    joints; tool and joint: limits that hold in whatever space is commanded. Without `kinematics`
    only the limits of the commanded space are checked. angular_speed [rad/s],
    angular_acceleration [rad/s^2] and angular_jerk [rad/s^3]: of commanded poses.
    """

    pose: bool
    axes: AxisLimits
    tool: ToolLimits
    joint: JointLimits
    angular_speed: float = 1.0
    angular_acceleration: float = 5.0
    angular_jerk: float = 500.0
    kinematics: Kinematics | None = field(default=None, compare=False)

    def standing(self, setpoint: Array, joints: Array) -> Motion:
        """Standing still at `setpoint`; joints (n,): about where the arm's are.

        Raises ValueError where no joints reach a pose.
        """
        motion = Motion.at_rest(setpoint, self.pose)
        path = self._mapped(motion.path, np.asarray(joints, dtype=float))
        if path is None:
            raise ValueError(f'no joints of the arm reach the pose {np.round(setpoint, 4)}')
        return Motion(path, 0, path)

    def refusal(self, setpoint: Array, joints: Array) -> str:
        """The limit that an arm breaks that stands at `setpoint`, as `standing`; '' if none."""
        if not np.isfinite(setpoint).all():
            return Limit.NOT_FINITE.value
        try:
            path = self.standing(setpoint, joints).path
        except ValueError:
            return Limit.SINGULARITY.value
        return misplaced(path, self.tool, self.joint)

    def follow(self, motion: Motion, request: Array, dt: float) -> tuple[Motion, frozenset[str]]:
        """One tick of `dt` seconds towards `request`, pose (7,) or joints (n,).

        The request is where to be after `foresight` and this tick: a plan is made for so long, and
        what is asked on the ticks until then changes nothing, unless it is no request. One that is
        not finite, or whose quaternion is none, brakes. Returns what to send, and the limits that
        changed it.
        """
        if not asking.sound(request, self.pose):
            return self.brake(motion), frozenset({Limit.NOT_FINITE.value})
        if motion.index < motion.until:
            return motion.onward(), motion.reasons
        count = _ticks(dt)
        asked, aim, reasons = self._asked(motion, request, dt, count)
        if motion.still and np.abs(aim.target - aim.start.position).max() < profile.SETTLED:
            return replace(motion, before=motion.now, asked=asked), frozenset(reasons)
        rate = self._pace(motion, aim)
        path, broken = way.found(
            motion, aim, rate.bounds, dt, count, lambda path: self._judged(motion, path, dt)
        )
        if path is None:
            moved = self.brake(motion)
        else:
            moved = Motion(path, 0, motion.now)
            reasons |= self._missed(path, aim, rate)
        if broken:
            reasons.add(broken)
        until, named = moved.index + count - 1, frozenset(reasons)
        return replace(moved, asked=asked, until=until, reasons=named), named

    def foresight(self, dt: float) -> float:
        """How far beyond the next tick [s] a plan leads before it brakes."""
        return (_ticks(dt) - 1) * dt

    def brake(self, motion: Motion) -> Motion:
        """One tick on the path to rest; once still, the setpoint stays to the bit."""
        return motion.braked()

    def _asked(
        self, motion: Motion, request: Array, dt: float, count: int
    ) -> tuple[tuple[Array, ...], Aim, set[str]]:
        """The targets so far, the aim of this tick, and the limits that changed it."""
        axes, span = len(self.axes.low), dt * count
        tool = self.tool if self.pose else None
        position = motion.setpoint[:axes]
        inside, reasons = asking.inside(position, request[:axes], self.axes, tool)
        asked = (*motion.asked[-2:], np.append(inside, request[axes:]))
        drift = asking.drift(tuple(row[:axes] for row in asked), span)
        target = np.clip(inside, position - self.axes.step, position + self.axes.step)
        if np.any(np.abs(request[:axes] - position) > self.axes.step):
            reasons.add(Limit.STEP.value)
        if tool is not None:
            target, entered = asking.around(position, target, tool.keep_out)
            reasons |= entered
        drift = np.where(target == inside, drift, 0.0)
        velocity, acceleration = motion.velocity, motion.acceleration
        if self.pose:
            here, wanted = motion.setpoint[3:], request[3:]
            if velocity[axes:].any() or acceleration[axes:].any() or _differ(here, wanted):
                turns = tuple(turning.between(asked[0][3:], row[3:]) for row in asked)
                none = np.zeros(6 - len(velocity))
                velocity, acceleration = np.append(velocity, none), np.append(acceleration, none)
                position = np.append(position, np.zeros(3))
                target = np.append(target, turning.between(here, wanted))
                drift = np.append(drift, asking.drift(turns, span))
            else:
                velocity, acceleration = velocity[:axes], acceleration[:axes]
        return (
            asked,
            Aim(State(position, velocity, acceleration), target, drift, self.pose),
            reasons,
        )

    def _pace(self, motion: Motion, aim: Aim) -> Pace:
        size = len(aim.target)
        bounds, axes = self._bounds, self.axes
        bounds = Bounds(bounds.speed[:size], bounds.acceleration[:size], bounds.jerk[:size])
        if self.pose:
            totals = [(slice(0, 3), USED * axes.total_speed, Limit.TCP_SPEED)]
            if size == 6:
                totals.append((slice(3, 6), float(bounds.speed[3]), Limit.ROTATION))
        else:
            totals = [(slice(0, size), axes.total_speed, Limit.JOINT_SPEED)]
        return pace.paced(
            bounds,
            tuple(totals),
            pace.approach(motion.before, motion.now, self.joint),
            self._other(motion),
            aim.target - aim.start.position,
            aim.drift,
            aim.start.velocity,
        )

    def _other(self, motion: Motion) -> Other | None:
        """The space that is not commanded, as seen from here."""
        joints = motion.now.joints
        if self.kinematics is None or joints is None:
            return None
        jacobian = self.kinematics.jacobian(joints[0])
        if not self.pose:
            speed, acceleration = np.array([self.tool.speed]), np.array([self.tool.acceleration])
            limits = Limit.TCP_SPEED, Limit.TCP_ACCELERATION
            return Other(jacobian[:3], speed, acceleration, *limits)
        try:
            inverse = np.asarray(np.linalg.inv(jacobian), dtype=float)
        except np.linalg.LinAlgError:
            return None
        limits = Limit.JOINT_SPEED, Limit.JOINT_ACCELERATION
        return Other(inverse, self.joint.speed, self.joint.acceleration, *limits)

    def _judged(self, motion: Motion, path: Path, dt: float) -> Judged:
        """A path that goes on from `motion`: with what is known of it, and what it breaks."""
        joints = motion.now.joints
        mapped = self._mapped(path, motion.setpoint if joints is None else joints[0])
        if mapped is None:
            return None, Limit.SINGULARITY.value
        return mapped, self._broken(motion, mapped, dt)

    def _mapped(self, path: Path, seed: Array) -> Path | None:
        """A path with what kinematics tells of it; None where no joints reach it."""
        if self.kinematics is None:
            return path
        if self.pose:
            joints = self.kinematics.inverse(path.setpoints, seed)
            if joints is None:
                return None
            path = replace(path, joints=joints)
        else:
            joints = path.setpoints
            path = replace(path, tips=self.kinematics.positions(joints))
        return replace(path, agility=self.kinematics.manipulability(joints))

    def _broken(self, motion: Motion, path: Path, dt: float) -> str:
        """The first limit that a path breaks that goes on from `motion`; '' if none."""
        before, now = motion.before, motion.now
        broken = misplaced(path, self.tool, self.joint) or moved_too_fast(
            before, now, path, self.tool, self.joint, dt
        )
        if broken or not self.pose or (path.anchor is None and motion.path.anchor is None):
            return broken
        speed, acceleration = self.angular_speed, self.angular_acceleration
        too_fast = turned_too_fast(before, now, path, speed, acceleration, dt)
        return Limit.ROTATION.value if too_fast else ''

    def _missed(self, path: Path, aim: Aim, rate: Pace) -> set[str]:
        """What keeps the arm from its target, beyond what following smoothly costs."""
        reasons = set()
        count = len(self.axes.low)
        speed, bounds = np.abs(aim.drift), rate.bounds
        costs = profile.stopping_distance(speed, bounds)
        missed = np.abs(aim.target - path.state.position[0]) - costs
        if np.any(missed[:count] > self.axes.tolerance):
            used = np.abs(path.state.acceleration[0, :count]) / bounds.acceleration[:count]
            if rate.slowed_by:
                reasons.add(rate.slowed_by)
            elif used.max() < 0.9:
                reasons.add(Limit.JERK.value)
            elif rate.eased_by:
                reasons.add(rate.eased_by)
            else:
                hard = Limit.TCP_ACCELERATION if self.pose else Limit.JOINT_ACCELERATION
                reasons.add(hard.value)
        if np.any(missed[count:] > ANGULAR_TOLERANCE):
            reasons.add(Limit.ROTATION.value)
        return reasons

    @cached_property
    def _bounds(self) -> Bounds:
        """Of a plan's axes: the commanded ones, and behind those of a pose three of rotation."""
        axes = self.axes
        speed, acceleration, jerk = axes.speed, axes.acceleration, axes.jerk
        if self.pose:
            # Rotation vectors leave room for the turning of their own frame, |phi'|^2 / 2, and
            # each axis gets its share of the total.
            turn = min(self.angular_speed, np.sqrt(self.angular_acceleration))
            rest = (self.angular_acceleration - turn**2 / 2) / np.sqrt(3)
            speed = np.append(speed, np.full(3, turn))
            acceleration = np.append(acceleration, np.full(3, rest))
            jerk = np.append(jerk, np.full(3, self.angular_jerk / np.sqrt(3)))
        return Bounds(USED * speed, USED * acceleration, USED * jerk)


def _ticks(dt: float) -> int:
    """How many ticks a plan leads on before it brakes."""
    return max(1, round(PLAN_S / dt))


def _differ(first: Array, second: Array) -> bool:
    """Whether two quaternions (4,) are different rotations."""
    same = second if first @ second >= 0 else -second
    return bool(np.abs(first - same).max() > NO_TURN / 2)
