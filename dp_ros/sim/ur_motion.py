"""Motions of the simulated controller: where its joint setpoint goes, tick by tick.

Each motion is a generator: every `next` advances the setpoint by one control period, and it ends
when the motion has arrived. A controller's real motion generator is not public; these keep what a
client can observe of it: the lag of servoj, the ramps of the moves, and stops that decelerate.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from dp_ros.hardware.ur_kinematics import (
    JOINT_SPEED_LIMIT_RAD_S,
    UR5eKinematics,
    matrix_from_rotation_vector,
    matrix_product,
    rotation_vector_from_matrix,
)

Joints = tuple[float, ...]
Motion = Iterator[None]

# servoj's filter never ends; from here on it counts as arrived.
ARRIVED_RAD = 1e-9
# Speeds and accelerations are those of the TCP [m/s]; one that only turns counts as if it moved
# on a circle of this radius. What a controller does there is not documented.
TURNING_RADIUS_M = 0.2


class NoSolutionError(Exception):
    """No joint positions reach the pose: a controller ends the program."""


class Setpoint:
    """Joint position (6,) [rad] and speed (6,) [rad/s] that the controller asks of its motors."""

    def __init__(self, joints: Sequence[float], period_s: float) -> None:
        self.period_s = period_s
        self.joints: Joints = tuple(map(float, joints))
        self.speed: Joints = (0.0,) * 6

    def place(self, joints: Sequence[float]) -> None:
        """Stand still at the given joints."""
        self.joints, self.speed = tuple(map(float, joints)), (0.0,) * 6

    def go(self, joints: Sequence[float]) -> None:
        """Move to the joints within this period, no faster than the joints can turn."""
        furthest = JOINT_SPEED_LIMIT_RAD_S * self.period_s
        steps = [max(-furthest, min(furthest, new - old)) for new, old in zip(joints, self.joints)]
        self.speed = tuple([step / self.period_s for step in steps])
        self.joints = tuple([old + step for old, step in zip(self.joints, steps)])


def servo(setpoint: Setpoint, target: Callable[[], Joints], lookahead_s: float) -> Motion:
    """servoj: follow the newest target through a first-order filter of time constant lookahead."""
    fraction = 1.0 - math.exp(-setpoint.period_s / max(1e-6, lookahead_s))
    while True:
        goal = target()
        joints = setpoint.joints
        if max(map(abs, map(float.__sub__, goal, joints))) < ARRIVED_RAD:
            setpoint.place(goal)
        else:
            setpoint.go([now + fraction * (end - now) for now, end in zip(joints, goal)])
        yield


def follow_speed(
    setpoint: Setpoint,
    target: Callable[[], Joints],
    acceleration: float,
    tool: UR5eKinematics | None = None,
) -> Motion:
    """speedj: joint speeds (6,) [rad/s], the fastest-changing joint accelerates at the given rate.

    With a tool, speedl: TCP speed (6,) [m/s, rad/s] and the acceleration of the TCP [m/s^2].
    """
    while True:
        if tool is None:
            change = [goal - now for goal, now in zip(target(), setpoint.speed)]
            size = max(map(abs, change))
        else:
            jacobian = tool.jacobian(setpoint.joints)
            tcp_change = np.array(target()) - jacobian @ setpoint.speed
            # Damped, so that a singular pose slows the tool down instead of throwing the joints.
            normal = jacobian @ jacobian.T + 1e-6 * np.eye(6)
            change = (jacobian.T @ np.linalg.solve(normal, tcp_change)).tolist()
            turning = TURNING_RADIUS_M * float(np.linalg.norm(tcp_change[3:]))
            size = max(float(np.linalg.norm(tcp_change[:3])), turning)
        fraction = min(1.0, acceleration * setpoint.period_s / max(1e-12, size))
        speed = [now + fraction * step for now, step in zip(setpoint.speed, change)]
        setpoint.go([now + v * setpoint.period_s for now, v in zip(setpoint.joints, speed)])
        yield


def stop(setpoint: Setpoint, deceleration: float, tool: UR5eKinematics | None = None) -> Motion:
    """stopj [rad/s^2], or stopl [m/s^2] with a tool: all joints slow down in proportion."""
    if tool is None:
        speed = max(map(abs, setpoint.speed))
    else:
        tcp_speed = tool.jacobian(setpoint.joints) @ setpoint.speed
        # A tool that turns on the spot still has to stop.
        turning = TURNING_RADIUS_M * float(np.linalg.norm(tcp_speed[3:]))
        speed = max(float(np.linalg.norm(tcp_speed[:3])), turning)
    start = setpoint.speed
    ticks = math.ceil(speed / max(1e-3, deceleration) / setpoint.period_s)
    for tick in range(ticks - 1, 0, -1):
        wanted = [value * tick / ticks for value in start]
        setpoint.go([now + v * setpoint.period_s for now, v in zip(setpoint.joints, wanted)])
        yield
    setpoint.place(setpoint.joints)
    yield


def move_joints(setpoint: Setpoint, goal: Joints, speed: float, acceleration: float) -> Motion:
    """movej: straight in joint space; speed and acceleration are the leading joint's."""
    start = setpoint.joints
    way = [end - begin for begin, end in zip(start, goal)]
    for fraction in _trapezoid(max(map(abs, way)), speed, acceleration, setpoint.period_s):
        setpoint.go([begin + fraction * step for begin, step in zip(start, way)])
        yield
    setpoint.place(goal)
    yield


def move_tool(
    setpoint: Setpoint,
    kinematics: UR5eKinematics,
    goal: Sequence[float],
    speed: float,
    acceleration: float,
) -> Motion:
    """movel: the TCP in a straight line to the pose (6,), turning evenly on the way."""
    begin = kinematics.forward(setpoint.joints)
    rotation = matrix_from_rotation_vector(begin[3:])
    a, b, c, d, e, f, g, h, i = rotation
    turn = rotation_vector_from_matrix(
        matrix_product((a, d, g, b, e, h, c, f, i), matrix_from_rotation_vector(goal[3:]))
    )
    # A pure rotation has no length of its own.
    length = max(math.dist(begin[:3], goal[:3]), TURNING_RADIUS_M * math.hypot(*turn))
    for fraction in _trapezoid(length, speed, acceleration, setpoint.period_s):
        part = matrix_from_rotation_vector([fraction * angle for angle in turn])
        position = [p + fraction * (q - p) for p, q in zip(begin[:3], goal[:3])]
        pose = [*position, *rotation_vector_from_matrix(matrix_product(rotation, part))]
        joints = kinematics.inverse(pose, setpoint.joints)
        if joints is None:
            raise NoSolutionError(f'no joint positions reach {pose}')
        setpoint.go(joints)
        yield
    setpoint.place(setpoint.joints)
    yield


def _trapezoid(
    length: float, speed: float, acceleration: float, period_s: float
) -> Iterator[float]:
    """Fractions of the way at successive ticks, ending at 1: ramp up, cruise, ramp down."""
    if length < 1e-9:
        yield 1.0
        return
    acceleration = max(1e-3, acceleration)
    peak = min(max(1e-3, speed), math.sqrt(length * acceleration))
    ramp_s = peak / acceleration
    total_s = length / peak + ramp_s
    for tick in range(1, math.ceil(total_s / period_s)):
        t = tick * period_s
        if t < ramp_s:
            gone = 0.5 * acceleration * t * t
        elif t < total_s - ramp_s:
            gone = peak * (t - 0.5 * ramp_s)
        else:
            gone = length - 0.5 * acceleration * (total_s - t) ** 2
        yield gone / length
    yield 1.0
