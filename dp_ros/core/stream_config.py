"""The rules of one command stream."""

from dataclasses import dataclass

from dp_ros.core.robot import Space
from dp_ros.core.safety import SafetyLimits


@dataclass(frozen=True)
class StreamConfig:
    """Rules of one command stream.

    period_s: the control period;
    first_step: how far [m, or rad of a joint, on any axis] the first waypoint after arming may lie
    from where the arm stands; first_chunk_ns: patience for it; patience_ns: how long one chunk may
    be played without a next one; epoch_ns: a chunk that splices sooner than this after arming was
    planned before it; twist_ns: how long a twist of the operator holds; twist_age_ns: how old it
    may be;
    free_axes: the axes x y z rx ry rz that the task lets an operator move;
    lead_ns: how much sooner than due a policy's actions are sent, for an arm that lags by as much;
    unlock_ns: how long after a protective stop it may be unlocked; back_ns: how long before the
    stop the arm stood at what counts as the last safe pose; back_speed [m/s], back_angular_speed
    [rad/s, of joints too]: how fast it goes back there.
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
    lead_ns: int = 0
    unlock_ns: int = 5_000_000_000
    back_ns: int = 500_000_000
    back_speed: float = 0.05
    back_angular_speed: float = 0.2
