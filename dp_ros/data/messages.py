"""ROS messages to core values, whoever read them: rclpy live, or rosbags from a bag.

Both give objects with the fields of the message's definition, so one function serves both, and a
bag means exactly what the same messages meant to the running graph.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dp_ros.core import rotations
from dp_ros.core.stamped import ActionChunk, Array, Sample, frozen_array

BASE_FRAME = 'base'
# Of the last twist of a person who releases the deadman.
RELEASED_FRAME = 'base/released'
TCP_JOINT = 'tcp'
SECOND_NS = 1_000_000_000


class MessageError(ValueError):
    """A message does not hold what its topic promises; the text says what was expected."""


def nanoseconds(time: Any) -> int:
    """ROS time or duration -> integer nanoseconds."""
    return int(time.sec) * SECOND_NS + int(time.nanosec)


def pose_sample(message: Any, latency_ns: int = 0) -> Sample:
    """PoseStamped -> sample (7,) at the time of capture; raises MessageError if not finite."""
    stamp = nanoseconds(message.header.stamp) - latency_ns
    return Sample(stamp, _pose_array(message.pose))


def joint_sample(message: Any, names: Sequence[str], latency_ns: int = 0) -> Sample:
    """JointState -> positions (n,) of `names`, looked up by name; raises MessageError."""
    by_name = dict(zip(message.name, message.position, strict=False))
    missing = [name for name in names if name not in by_name]
    if missing:
        raise MessageError(f'joint state lacks {missing}; it names {list(message.name)}')
    values = _finite([by_name[name] for name in names], 'joint state')
    return Sample(nanoseconds(message.header.stamp) - latency_ns, values)


def releases(message: Any) -> bool:
    """Whether a TwistStamped is the last one, since the deadman was released."""
    return bool(message.header.frame_id == RELEASED_FRAME)


def twist_sample(message: Any) -> Sample:
    """TwistStamped of the tool centre point in the base frame -> (6,) [m/s, rad/s].

    Raises MessageError for another frame, or numbers that are not finite.
    """
    if message.header.frame_id not in (BASE_FRAME, RELEASED_FRAME):
        raise MessageError(
            f'expected a twist in frame {BASE_FRAME!r}; found {message.header.frame_id!r}'
        )
    linear, angular = message.twist.linear, message.twist.angular
    values = [linear.x, linear.y, linear.z, angular.x, angular.y, angular.z]
    return Sample(nanoseconds(message.header.stamp), _finite(values, 'twist'))


def cartesian_chunk(message: Any) -> ActionChunk:
    """The inverse; MessageError for anything but one TCP's finite poses in the base frame."""
    if list(message.joint_names) != [TCP_JOINT] or message.header.frame_id != BASE_FRAME:
        raise MessageError(
            f'expected a trajectory of joint {TCP_JOINT!r} in frame {BASE_FRAME!r}; found '
            f'{list(message.joint_names)} in {message.header.frame_id!r}'
        )
    if any(len(point.transforms) != 1 for point in message.points):
        raise MessageError('expected one transform in every point of the trajectory')
    values = [_transform_array(point.transforms[0]) for point in message.points]
    return _chunk(message, values)


def joint_chunk(message: Any, names: Sequence[str]) -> ActionChunk:
    """The inverse; joints are taken by name, in the order of `names`. Raises MessageError."""
    if sorted(message.joint_names) != sorted(names):
        raise MessageError(
            f'expected a trajectory of the joints {list(names)}; found {list(message.joint_names)}'
        )
    if any(len(point.positions) != len(names) for point in message.points):
        raise MessageError(f'expected {len(names)} positions in every point of the trajectory')
    order = [list(message.joint_names).index(name) for name in names]
    values = [np.array(point.positions)[order] for point in message.points]
    return _chunk(message, values)


def _chunk(message: Any, values: list[Array]) -> ActionChunk:
    if not message.points:
        raise MessageError('expected at least one point in the trajectory')
    waypoints = _finite(values, 'trajectory')
    splice = nanoseconds(message.header.stamp)
    stamps = tuple(splice + nanoseconds(point.time_from_start) for point in message.points)
    try:
        return ActionChunk(stamps, waypoints)
    except ValueError as error:
        raise MessageError(str(error)) from None


def _finite(values: Any, what: str) -> Array:
    array = frozen_array(values)
    if not np.isfinite(array).all():
        raise MessageError(f'{what} holds NaN or infinite numbers; refused')
    return array


def _pose_array(pose: Any) -> Array:
    position, rotation = pose.position, pose.orientation
    return _checked_pose(position, rotation)


def _transform_array(transform: Any) -> Array:
    return _checked_pose(transform.translation, transform.rotation)


def _checked_pose(position: Any, rotation: Any) -> Array:
    values = [position.x, position.y, position.z, rotation.x, rotation.y, rotation.z, rotation.w]
    array = _finite(values, 'pose')
    if not rotations.is_unit(array[3:]):
        norm = float(np.linalg.norm(array[3:]))
        raise MessageError(f'quaternion has length {norm:.4g}; expected 1')
    return array
