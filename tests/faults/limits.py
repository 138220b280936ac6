"""Whether a stream of commands kept the limits of the robot file: by differences, nothing else.

This shares no code with what it checks. Commands are one control period apart, also where a tick
came late: the arm then moves slower. Which ones are neighbours is told by the numbers that the
middleware gives the messages of a publisher.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

# Numbers are stored exactly; what is left is the rounding of the differences.
SLACK = 1e-6


@dataclass(frozen=True)
class Sent:
    """A command: when it was sent [s, monotonic], its number, pose (7,) in the base frame."""

    at_s: float
    number: int
    pose: np.ndarray


def violations(commands: Sequence[Sent], cartesian, period_s: float) -> list[str]:
    """Sentences, the worst of each kind; cartesian: the limits of that name in the robot file."""
    if not commands:
        return []
    poses = np.array([command.pose for command in commands])
    finite = np.isfinite(poses).all(axis=1)
    if not finite.all():
        return [f'{(~finite).sum()} commands are not finite']
    positions = poses[:, :3]
    steps = np.diff([command.number for command in commands])
    gaps = np.diff([command.at_s for command in commands])
    # Across a gap (a new process, a re-arm) only the way is checked, against the time it took.
    close = (steps >= 1) & (gaps < 0.1)
    spans = np.where(close, steps * period_s, np.maximum(gaps, period_s))
    moved = np.diff(positions, axis=0) / spans[:, None]
    spun = _spins(poses[:, 3:]) / spans[:, None]
    # Differences of a higher order are taken only where no command is missing.
    direct = close & (steps == 1)
    pairs = direct[1:] & direct[:-1]
    triples = pairs[1:] & pairs[:-1]
    pushed, twisted = (np.diff(rates, axis=0) / period_s for rates in (moved, spun))
    jerked, wrung = (np.diff(rates, axis=0) / period_s for rates in (pushed, twisted))
    outside = np.maximum(np.array(cartesian.low) - positions, positions - np.array(cartesian.high))
    table_z = -np.inf if cartesian.table_z is None else cartesian.table_z
    found = {
        'workspace': (outside.max(), 0.0, 'm outside'),
        'table': ((table_z - positions[:, 2]).max(), 0.0, 'm below'),
        'speed': (_largest(moved), cartesian.speed, 'm/s'),
        'acceleration': (_largest(pushed[pairs]), cartesian.acceleration, 'm/s^2'),
        'jerk': (_largest(jerked[triples]), cartesian.jerk, 'm/s^3'),
        'angular speed': (_largest(spun), cartesian.angular_speed, 'rad/s'),
        'angular acceleration': (
            _largest(twisted[pairs]), cartesian.angular_acceleration, 'rad/s^2',
        ),
        'angular jerk': (_largest(wrung[triples]), cartesian.angular_jerk, 'rad/s^3'),
    }  # fmt: skip
    return [
        f'{name} {value:.4g} {unit}, {limit:g} allowed'
        for name, (value, limit, unit) in found.items()
        if limit is not None and value > limit * (1 + 1e-3) + SLACK
    ]


def _largest(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors, axis=1).max()) if len(vectors) else 0.0


def _spins(quaternions: np.ndarray) -> np.ndarray:
    """Rotation vectors (n - 1, 3) from each quaternion to the next, in the tool's frame."""
    turns = Rotation.from_quat(quaternions)
    return (turns[:-1].inv() * turns[1:]).as_rotvec() if len(quaternions) > 1 else np.empty((0, 3))
