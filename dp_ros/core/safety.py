"""The one place where limits are applied: a requested setpoint becomes a safe one, with reasons.

The limiter follows the requested stream as a second-order system: each tick it picks a velocity
that is within the speed and acceleration limits and from which it can still stop before the
workspace ends. So whatever is requested, no setpoint breaks a limit. What was changed, and by
which limit, is returned with it.

Positions are treated per axis: x y z [m] of a pose, or joints [rad]; the rotation of a pose is
limited by angular speed and acceleration.
"""

import enum
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from dp_ros.core import rotations
from dp_ros.core.stamped import Array, frozen_array
from dp_ros.core.trajectory import POSE_SIZE

# A rotation missed by no more than this [rad] counts as followed.
ANGULAR_TOLERANCE = 0.02


class Limit(enum.Enum):
    """Which limit changed a setpoint."""

    NOT_FINITE = 'not finite'
    STEP = 'step'
    WORKSPACE = 'workspace'
    SPEED = 'speed'
    ACCELERATION = 'acceleration'
    ROTATION = 'rotation'


@dataclass(frozen=True)
class AxisLimits:
    """Limits of axes that move together.

    low, high: (n,) bounds of the position; speed: of each axis (n,), and `total_speed` of all
    together (a TCP's), infinite if only the axes count; acceleration: (n,) of each axis;
    step: how far one request may lie from the present setpoint, on any axis. A request that is
    missed by no more than `tolerance` counts as followed: some lag is what smoothness costs.
    """

    low: Array
    high: Array
    speed: Array
    acceleration: Array
    total_speed: float = np.inf
    step: float = np.inf
    tolerance: float = 0.005

    def contains(self, position: Array, margin: float = 1e-9) -> bool:
        """Whether a position (n,) lies within the bounds."""
        inside = (position >= self.low - margin) & (position <= self.high + margin)
        return bool(inside.all())


@dataclass(frozen=True)
class Motion:
    """The setpoint last sent: pose (7,) or joints (n,); velocity (n,) and spin (3,) per second."""

    setpoint: Array
    velocity: Array
    spin: Array

    @classmethod
    def at_rest(cls, setpoint: Array, pose: bool) -> 'Motion':
        """Standing still at `setpoint`."""
        axes = 3 if pose else len(setpoint)
        return cls(frozen_array(setpoint), np.zeros(axes), np.zeros(3))

    @property
    def still(self) -> bool:
        """Whether the setpoint has stopped."""
        return not self.velocity.any() and not self.spin.any()


@dataclass(frozen=True)
class SafetyLimits:
    """Limits of one arm in one action space; `angular` is None for joints.

    axes: x y z or the joints; angular_speed [rad/s], angular_acceleration [rad/s^2].
    """

    pose: bool
    axes: AxisLimits
    angular_speed: float = 1.0
    angular_acceleration: float = 5.0

    def follow(self, motion: Motion, request: Array, dt: float) -> tuple[Motion, frozenset[Limit]]:
        """One tick of `dt` seconds towards `request`, pose (7,) or joints (n,).

        A request that is not finite, or whose quaternion is none, brakes. Returns what to send,
        and the limits that changed it.
        """
        sound = np.isfinite(request).all() and (
            not self.pose or rotations.are_units(request[3:POSE_SIZE])
        )
        if not sound:
            return self.brake(motion, dt), frozenset({Limit.NOT_FINITE})
        count = 3 if self.pose else len(request)
        position, target = motion.setpoint[:count], request[:count]
        velocity, reasons = _follow_axes(self.axes, position, motion.velocity, target, dt)
        moved = self._bounded(position + velocity * dt)
        if not self.pose:
            return Motion(frozen_array(moved), velocity, motion.spin), frozenset(reasons)
        spin, turned = self._follow_rotation(motion, request[3:], dt)
        if turned:
            reasons.add(Limit.ROTATION)
        return self._moved(motion, moved, velocity, spin, dt), frozenset(reasons)

    def brake(self, motion: Motion, dt: float) -> Motion:
        """One tick of the decelerated stop; once still, the setpoint stays to the bit."""
        if motion.still:
            return motion
        largest = self.axes.acceleration * dt
        velocity = motion.velocity - np.clip(motion.velocity, -largest, largest)
        moved = self._bounded(motion.setpoint[: len(velocity)] + velocity * dt)
        if not self.pose:
            return Motion(frozen_array(moved), velocity, motion.spin)
        spin = motion.spin - _shorten(motion.spin, self.angular_acceleration * dt)
        return self._moved(motion, moved, velocity, spin, dt)

    def _moved(
        self, motion: Motion, position: Array, velocity: Array, spin: Array, dt: float
    ) -> Motion:
        turn = rotations.quaternion_from_rotation_vector(spin * dt)
        quaternion = motion.setpoint[3:POSE_SIZE]
        if spin.any():
            quaternion = rotations.quaternion_multiply(quaternion, turn)
            quaternion = quaternion / np.linalg.norm(quaternion)
        setpoint = frozen_array(np.concatenate([position, quaternion]))
        return replace(motion, setpoint=setpoint, velocity=velocity, spin=spin)

    def _bounded(self, position: Array) -> Array:
        # The velocity already respects the bounds; this removes the last rounding digit only.
        return np.clip(position, self.axes.low, self.axes.high)

    def _follow_rotation(self, motion: Motion, quaternion: Array, dt: float) -> tuple[Array, bool]:
        inverse = rotations.quaternion_inverse(motion.setpoint[3:POSE_SIZE])
        error = rotations.rotation_vector_from_quaternion(
            rotations.quaternion_multiply(inverse, quaternion)
        )
        asked = error / dt
        calm = stopping_speed(np.linalg.norm(error), self.angular_acceleration, dt)
        spin = _shorten(asked, min(self.angular_speed, float(calm)))
        spin = motion.spin + _shorten(spin - motion.spin, self.angular_acceleration * dt)
        return spin, bool(np.linalg.norm(error - spin * dt) > ANGULAR_TOLERANCE)


def stopping_speed(distance: ArrayLike, acceleration: ArrayLike, dt: float) -> Array:
    """Largest speed in this tick from which a stop within `distance` is still possible.

    This tick and the n whole ones after it move by v dt, (v - a dt) dt, ..., (v - n a dt) dt, all
    of them forwards: (n + 1) v dt - n (n + 1) / 2 a dt^2 = d. From a speed on that curve one tick
    of braking leads to the curve again, so it can always be kept; and no tick goes beyond d.
    """
    step = np.asarray(acceleration, dtype=float) * dt
    # In units of one tick's braking; no arm comes near the cap, which keeps infinity out.
    reach = np.minimum(np.maximum(distance, 0) / (step * dt), 1e12)
    ticks = np.floor((np.sqrt(1 + 8 * reach) - 1) / 2)
    speed: Array = step * (reach / (ticks + 1) + ticks / 2)
    return speed


def _follow_axes(
    limits: AxisLimits, position: Array, velocity: Array, target: Array, dt: float
) -> tuple[Array, set[Limit]]:
    """Velocity (n,) of this tick, and what kept it from reaching `target`."""
    reasons = set()
    reach = np.clip(target, position - limits.step, position + limits.step)
    if not np.array_equal(reach, target):
        reasons.add(Limit.STEP)
    inside = np.clip(reach, limits.low, limits.high)
    if not np.array_equal(inside, reach):
        reasons.add(Limit.WORKSPACE)

    error = inside - position
    wanted = error / dt
    # No faster than allows to stop at the target, so that a target that stands is not overshot. A
    # moving one is followed with the small lag of v^2 / (2 a): 4 mm at 0.2 m/s and 5 m/s^2.
    calm = np.minimum(np.abs(wanted), stopping_speed(np.abs(error), limits.acceleration, dt))
    chosen = np.sign(wanted) * np.minimum(calm, limits.speed)
    fastest = _shorten(chosen, limits.total_speed)
    too_fast = np.any(calm > limits.speed) or not np.array_equal(fastest, chosen)

    # All axes are scaled alike, so the result lies between the old velocity and the chosen one and
    # no total is exceeded on the way.
    change = fastest - velocity
    room = limits.acceleration * dt
    share = min(1.0, float(np.min(room / np.maximum(np.abs(change), 1e-300))))
    result = velocity + share * change
    # An axis that must brake for its target does so in full, whatever share the others leave it.
    least = np.minimum(np.where(wanted < 0, -calm, 0), velocity + room)
    most = np.maximum(np.where(wanted > 0, calm, 0), velocity - room)
    result = np.clip(result, least, most)
    result = np.clip(
        result,
        -stopping_speed(position - limits.low, limits.acceleration, dt),
        stopping_speed(limits.high - position, limits.acceleration, dt),
    )
    if np.any(np.abs(error - result * dt) > limits.tolerance):
        reasons.add(Limit.SPEED if too_fast else Limit.ACCELERATION)
    return result, reasons


def _shorten(vector: Array, length: float) -> Array:
    """The vector, scaled down to `length` if it is longer."""
    norm = float(np.linalg.norm(vector))
    return vector if norm <= length else vector * (length / norm)
