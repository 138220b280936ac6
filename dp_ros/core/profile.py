"""Jerk-limited motion of axes that are planned together, by ruckig.

Berscheid and Kroeger 2021, "Jerk-limited Real-time Trajectory Generation with Arbitrary Target
States". Every axis takes its own shortest time: so none of them leaves the range between where it
is and where it is asked to be, and a brake ends as early on each axis as its limits allow.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
import ruckig

from dp_ros.core.stamped import Array

# Closer than this to its target [m or rad, and per second], an axis stands at it.
SETTLED = 1e-12


@dataclass(frozen=True)
class State:
    """Position, velocity and acceleration of axes, all (n,); or rows (m, n) of many states."""

    position: Array
    velocity: Array
    acceleration: Array

    @property
    def still(self) -> bool:
        """Whether nothing moves."""
        return not (self.velocity.any() or self.acceleration.any())

    def row(self, index: int) -> 'State':
        """One of many states (m, n)."""
        return State(self.position[index], self.velocity[index], self.acceleration[index])


@dataclass(frozen=True)
class Bounds:
    """Largest speed, acceleration and jerk of each axis, all (n,)."""

    speed: Array
    acceleration: Array
    jerk: Array


def toward(
    state: State, target: Array, drift: Array, bounds: Bounds, dt: float, count: int = 1
) -> State | None:
    """The states (count, n) after dt, 2 dt, ... of the quickest way to a target.

    It is met without overshoot. target (n,): where it is after count * dt; drift (n,): the speed
    at which it moves on, below the bounds. It is planned in the frame that moves with the target.
    None where ruckig finds no way.
    """
    start, relative = state.position - (target - drift * (count * dt)), state.velocity - drift
    if _settled(start) and _settled(relative) and _settled(state.acceleration):
        resting = np.zeros((count, len(drift)))
        return State(_moving(target, drift, dt, count), resting + drift, resting)
    question = _question(State(start, relative, state.acceleration), bounds)
    question.max_velocity = (bounds.speed - drift).tolist()
    question.min_velocity = (-bounds.speed - drift).tolist()
    way = _solved(question)
    if way is None:
        return None
    times = [dt * (tick + 1) for tick in range(count)]
    rows = np.array([way.at_time(time) for time in times])
    durations = np.array(way.independent_min_durations)
    there = (durations <= np.array(times)[:, None]) & (np.abs(rows[:, 0]) < 1e-9)
    rows = np.where(there[:, None], 0.0, rows)
    return State(rows[:, 0] + _moving(target, drift, dt, count), rows[:, 1] + drift, rows[:, 2])


def brake(state: State, bounds: Bounds, dt: float) -> State | None:
    """The states (m, n) after dt, 2 dt, ... m dt of the quickest way to rest, where the last is.

    None where ruckig finds no way; m is 0 if the state is at rest.
    """
    if state.still:
        nothing = np.zeros((0, len(state.position)))
        return State(nothing, nothing, nothing)
    question = _question(state, bounds)
    question.control_interface = ruckig.ControlInterface.Velocity
    way = _solved(question)
    if way is None:
        return None
    count = max(1, math.ceil(way.duration / dt - 1e-9))
    times = [dt * (tick + 1) for tick in range(count - 1)] + [way.duration]
    rows = np.array([way.at_time(time) for time in times])
    rows[-1, 1:] = 0.0
    return State(rows[:, 0], rows[:, 1], rows[:, 2])


def stopping_distance(speed: Array, bounds: Bounds) -> Array:
    """How far axes (n,) go on from `speed` (n,), at constant speed so far, until they rest."""
    acceleration, jerk = bounds.acceleration, bounds.jerk
    ramp = acceleration * acceleration / jerk
    short, long = 2 * np.sqrt(speed / jerk), (speed + ramp) / acceleration
    distance: Array = speed / 2 * np.where(speed < ramp, short, long)
    return distance


def _question(state: State, bounds: Bounds) -> ruckig.InputParameter:
    question = ruckig.InputParameter(len(state.position))
    question.synchronization = ruckig.Synchronization.No
    question.current_position = state.position.tolist()
    question.current_velocity = state.velocity.tolist()
    question.current_acceleration = state.acceleration.tolist()
    question.max_acceleration = bounds.acceleration.tolist()
    question.max_jerk = bounds.jerk.tolist()
    return question


def _solved(question: ruckig.InputParameter) -> ruckig.Trajectory | None:
    way = ruckig.Trajectory(question.degrees_of_freedom)
    try:
        _generator(question.degrees_of_freedom).calculate(question, way)
    except (ruckig.RuckigError, ValueError):
        # Its own errors, and results that its binding has no name for.
        return None
    return way


@functools.cache
def _generator(axes: int) -> ruckig.Ruckig:
    return ruckig.Ruckig(axes)


def _moving(target: Array, drift: Array, dt: float, count: int) -> Array:
    """Where a target is after dt, 2 dt, ... (count, n) that is at `target` (n,) in the end."""
    moving: Array = target - drift * (dt * np.arange(count)[::-1])[:, None]
    return moving


def _settled(values: Array) -> bool:
    return bool(np.abs(values).max() < SETTLED)


def joined(first: State, second: State) -> State:
    """The states (m + k, n): rows (m, n), and then rows (k, n)."""
    return State(
        np.concatenate([first.position, second.position]),
        np.concatenate([first.velocity, second.velocity]),
        np.concatenate([first.acceleration, second.acceleration]),
    )
