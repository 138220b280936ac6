"""Predicted actions against those that were recorded, by step of the horizon.

The recorded action of a waypoint is what was commanded at the time when it is due.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dp_ros.core import rotations
from dp_ros.core.stamped import Array
from dp_ros.replay.lockstep import Planned
from dp_ros.replay.recording import Recording
from dp_ros.task import SIX, CartesianAction, Task

POSITION, ROTATION = ('x', 'y', 'z'), ('rx', 'ry', 'rz')


@dataclass(frozen=True)
class Errors:
    """Some errors, summed up; NaN where there are none."""

    count: int
    mean: float
    p50: float
    p90: float
    largest: float

    def described(self) -> dict[str, Any]:
        """As plain values, for a report; None where there are no errors."""
        return {k: None if np.isnan(v) else v for k, v in vars(self).items()}


@dataclass(frozen=True)
class Measure:
    """One kind of error of every prediction: values (chunks, T_p), NaN where nothing is known.

    unit: mm or mrad; first: the step that the first column belongs to, the anchor being step 0;
    action_steps: T_a, from step 0 on.
    """

    name: str
    unit: str
    values: Array
    first: int
    action_steps: int

    @property
    def steps(self) -> list[int]:
        """The step of each column."""
        return [self.first + i for i in range(self.values.shape[1])]

    def by_step(self) -> list[Errors]:
        """The errors of each step."""
        return [summary(column) for column in self.values.T]

    def executed(self) -> Errors:
        """The errors of the first T_a steps, which are meant to be executed."""
        start = -self.first
        return summary(self.values[:, start : start + self.action_steps])

    def described(self) -> dict[str, Any]:
        """As plain values, for a report."""
        return {
            'unit': self.unit,
            'executed': self.executed().described(),
            'overall': summary(self.values).described(),
            'steps': [
                {'step': step, **errors.described()}
                for step, errors in zip(self.steps, self.by_step(), strict=True)
            ],
        }


def summary(values: Array) -> Errors:
    """Any number of errors; NaN is no error."""
    known = values[~np.isnan(values)]
    if not known.size:
        return Errors(0, *[float('nan')] * 4)
    p50, p90 = np.percentile(known, [50, 90]).tolist()
    return Errors(known.size, float(known.mean()), p50, p90, float(known.max()))


def compare(planned: Sequence[Planned], recording: Recording, task: Task) -> tuple[Measure, ...]:
    """The errors of all predictions; the first measure is the one that is judged."""
    pairs = [(p.plan.waypoints, truth(p, recording, task)) for p in planned]
    if not pairs:
        return ()
    predicted, actual = (np.stack(values) for values in zip(*pairs, strict=True))
    horizons = task.horizons

    def measure(name: str, unit: str, values: Array) -> Measure:
        return Measure(name, unit, values, horizons.first, horizons.action)

    if not isinstance(task.action, CartesianAction):
        largest = np.abs(predicted - actual).max(axis=-1)
        return (measure('joints', 'mrad', largest * 1e3),)
    found = []
    axes = [i for i, name in enumerate(POSITION) if name in task.action.components]
    if axes:
        away = np.linalg.norm((predicted - actual)[..., axes], axis=-1)
        found.append(measure('position', 'mm', away * 1e3))
    if {*ROTATION, *SIX} & set(task.action.components):
        angles = _angles(predicted[..., 3:], actual[..., 3:])
        found.append(measure('rotation', 'mrad', angles * 1e3))
    return tuple(found)


def due_ns(planned: Planned, task: Task) -> np.ndarray[Any, np.dtype[np.int64]]:
    """When each waypoint of a prediction is due (T_p,)."""
    steps = np.arange(task.horizons.prediction) - task.horizons.now + 1
    return planned.plan.anchor_ns + steps * task.period_ns


def truth(planned: Planned, recording: Recording, task: Task) -> Array:
    """The recorded action for each waypoint (T_p, k), within the stretch; else NaN."""
    due = due_ns(planned, task)
    actual = recording.commands.at(due, isinstance(task.action, CartesianAction))
    inside = np.zeros(len(due), bool)
    for stretch in recording.stretches:
        if stretch.begin_ns <= planned.plan.covered_ns <= stretch.end_ns:
            inside |= (due >= stretch.begin_ns) & (due <= stretch.end_ns)
    return np.where(inside[:, None], actual, np.nan)


def _angles(first: Array, second: Array) -> Array:
    """Angle [rad] between quaternions (..., 4); NaN where one is unknown."""
    known = ~np.isnan(second).any(axis=-1)
    angles = np.full(known.shape, np.nan)
    between = rotations.quaternion_multiply(
        rotations.quaternion_inverse(first[known]), second[known]
    )
    angles[known] = np.linalg.norm(rotations.rotation_vector_from_quaternion(between), axis=-1)
    return angles
