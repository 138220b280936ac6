"""What the arm can follow from where it is, and whether it may begin there."""

import numpy as np

from dp_ros.core.chunk import Verdict
from dp_ros.core.robot import RobotState
from dp_ros.core.safety import SafetyLimits
from dp_ros.core.stamped import ActionChunk, Array
from dp_ros.core.stream_config import StreamConfig


def of_chunk(
    chunk: ActionChunk, start: Array, first: bool, config: StreamConfig
) -> tuple[Verdict, str]:
    """Whether a chunk goes on from `start`, step by step; if not, the figures.

    start: where the arm is, if this is the `first` chunk, else where the plan before has it when
    this one takes over. The verdict is ACCEPTED, FAR_FROM_ARM or LEAP.
    """
    bounds = config.limits.axes
    ways = np.abs(np.diff([start, *chunk.waypoints], axis=0))[:, : len(bounds.low)].max(axis=1)
    if first and ways[0] > config.first_step:
        return Verdict.FAR_FROM_ARM, f'{ways[0]:.3f} away, {config.first_step:.3f} allowed'
    seconds = np.diff([chunk.splice_ns, *chunk.stamps_ns]) / 1e9
    allowed = bounds.step + bounds.speed.max() * seconds
    # A policy that changes its mind may want to be elsewhere by what it moved meanwhile.
    allowed[0] += bounds.step
    leaps = np.flatnonzero(ways > allowed)
    if len(leaps):
        i = int(leaps[0])
        return Verdict.LEAP, f'waypoint {i} is {ways[i]:.3g} away, {allowed[i]:.3g} allowed'
    return Verdict.ACCEPTED, ''


def refusal(standing: Array, state: RobotState, limits: SafetyLimits) -> str:
    """A sentence where the arm stands at what a limit forbids, else ''."""
    at, bounds = np.round(standing, 4).tolist(), limits.axes
    if not np.isfinite(standing).all():
        return f'the arm does not say where it is: its state is {at}'
    if not bounds.contains(standing[: len(bounds.low)]):
        return (
            f'the arm stands at {at[: len(bounds.low)]}, outside the workspace '
            f'{bounds.low.tolist()} .. {bounds.high.tolist()}; move it inside'
        )
    broken = limits.refusal(standing, state.joint_positions)
    if not broken:
        return ''
    return f'the arm stands at {at}, beyond the limit {broken!r}; move it away'
