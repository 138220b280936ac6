"""What the arm can follow from where it is, and whether it may begin there."""

import numpy as np

from dp_ros.core.chunk import Verdict
from dp_ros.core.robot import RobotState
from dp_ros.core.safety import SafetyLimits
from dp_ros.core.stamped import ActionChunk, Array
from dp_ros.core.stream_config import StreamConfig

# A tip may be this far from where nominal kinematics has it: calibration moves it by some mm.
SAME_TIP_M = 0.02
# What a turn may differ by, where a position may by the `step` of its limits [rad].
TURN_STEP = 0.35


def of_chunk(
    chunk: ActionChunk, start: Array, first: bool, config: StreamConfig
) -> tuple[Verdict, str]:
    """Whether a chunk goes on from `start`, step by step; if not, the figures.

    start: where the arm is, if this is the `first` chunk, else where the plan before has it when
    this one takes over. The verdict is ACCEPTED, FAR_FROM_ARM or LEAP.
    """
    limits, points = config.limits, np.array([start, *chunk.waypoints])
    bounds = limits.axes
    seconds = np.diff([chunk.splice_ns, *chunk.stamps_ns]) / 1e9
    ways = np.abs(np.diff(points, axis=0))[:, : len(bounds.low)].max(axis=1)
    allowed = bounds.step + bounds.speed.max() * seconds
    verdict = _of_ways(ways, allowed, bounds.step, config.first_step if first else None, 'away')
    if verdict[0] is Verdict.ACCEPTED and config.space == 'cartesian':
        turns = _angles(points[:, 3:])
        allowed = TURN_STEP + limits.angular_speed * seconds
        first_turn = TURN_STEP if first else None
        verdict = _of_ways(turns, allowed, TURN_STEP, first_turn, 'rad turned away')
    return verdict


def _other_arm(state: RobotState, limits: SafetyLimits) -> str:
    """A sentence where the arm's tip is not where its joints have it; limits would be wrong."""
    if limits.kinematics is None or not np.isfinite(state.joint_positions).all():
        return ''
    tip = limits.kinematics.positions(state.joint_positions[None])[0]
    apart = float(np.linalg.norm(tip - state.tcp_pose[:3]))
    if not apart > SAME_TIP_M:  # nor where the arm does not tell, as in a replay of joints
        return ''
    return (
        f'the arm says that its tip is at {np.round(state.tcp_pose[:3], 3).tolist()}; by its '
        f'joints and the robot file it is {apart * 1e3:.0f} mm away, at '
        f'{np.round(tip, 3).tolist()}: see that tcp_offset is that of the tool, and that the arm '
        f'is the model whose limits are kept (UR5e)'
    )


def _of_ways(
    ways: Array, allowed: Array, step: float, first: float | None, unit: str
) -> tuple[Verdict, str]:
    """ways, allowed: (n,), from one waypoint to the next; first: allowed before the first."""
    if first is not None and ways[0] > first:
        return Verdict.FAR_FROM_ARM, f'{ways[0]:.3f} {unit}, {first:.3f} allowed'
    # A policy that changes its mind may want to be elsewhere by what it moved meanwhile.
    allowed = np.array([allowed[0] + step, *allowed[1:]])
    leaps = np.flatnonzero(ways > allowed)
    if not len(leaps):
        return Verdict.ACCEPTED, ''
    i = int(leaps[0])
    return Verdict.LEAP, f'waypoint {i} is {ways[i]:.3g} {unit}, {allowed[i]:.3g} allowed'


def _angles(quaternions: Array) -> Array:
    """Unit quaternions (n, 4) -> angles (n - 1,) [rad] from one to the next."""
    products = np.abs(np.sum(quaternions[1:] * quaternions[:-1], axis=1))
    angles: Array = 2 * np.arccos(np.minimum(products, 1.0))
    return angles


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
    strange = _other_arm(state, limits)
    if strange:
        return strange
    broken = limits.refusal(standing, state.joint_positions)
    if not broken:
        return ''
    return f'the arm stands at {at}, beyond the limit {broken!r}; move it away'
