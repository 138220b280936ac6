"""ROS messages to core values and back; nothing else of the stack reads a message's fields."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration, Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Pose, PoseStamped, Transform, WrenchStamped
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import (
    JointTrajectory,
    JointTrajectoryPoint,
    MultiDOFJointTrajectory,
    MultiDOFJointTrajectoryPoint,
)

from dp_ros.core.stamped import ActionChunk, Array, Sample, frozen_array

BASE_FRAME = 'base'
TCP_JOINT = 'tcp'
SECOND_NS = 1_000_000_000


class MessageError(ValueError):
    """A message does not hold what its topic promises; the text says what was expected."""


def nanoseconds(time: Time | Duration) -> int:
    """ROS time or duration -> integer nanoseconds."""
    return int(time.sec) * SECOND_NS + int(time.nanosec)


def time_message(stamp_ns: int) -> Time:
    """Integer nanoseconds -> ROS time."""
    return Time(sec=stamp_ns // SECOND_NS, nanosec=stamp_ns % SECOND_NS)


def pose_message(stamp_ns: int, pose: Array) -> PoseStamped:
    """Pose (7,) in the base frame -> PoseStamped."""
    message = PoseStamped()
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = BASE_FRAME
    _fill(message.pose.position, message.pose.orientation, pose)
    return message


def pose_sample(message: PoseStamped, latency_ns: int = 0) -> Sample:
    """PoseStamped -> sample (7,) at the time of capture; raises MessageError if not finite."""
    stamp = nanoseconds(message.header.stamp) - latency_ns
    return Sample(stamp, _pose_array(message.pose))


def joint_message(
    stamp_ns: int, names: Sequence[str], positions: Array, velocities: Array | None = None
) -> JointState:
    """Joint positions [rad] and velocities [rad/s] of `names` -> JointState."""
    message = JointState(name=list(names), position=positions.tolist())
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = BASE_FRAME
    if velocities is not None:
        message.velocity = velocities.tolist()
    return message


def joint_sample(message: JointState, names: Sequence[str], latency_ns: int = 0) -> Sample:
    """JointState -> positions (n,) of `names`, looked up by name; raises MessageError."""
    by_name = dict(zip(message.name, message.position, strict=False))
    missing = [name for name in names if name not in by_name]
    if missing:
        raise MessageError(f'joint state lacks {missing}; it names {list(message.name)}')
    values = _finite([by_name[name] for name in names], 'joint state')
    return Sample(nanoseconds(message.header.stamp) - latency_ns, values)


def wrench_message(stamp_ns: int, wrench: Array) -> WrenchStamped:
    """Wrench (6,) force [N], torque [Nm] in the base frame -> WrenchStamped."""
    message = WrenchStamped()
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = BASE_FRAME
    force, torque = message.wrench.force, message.wrench.torque
    force.x, force.y, force.z, torque.x, torque.y, torque.z = wrench.tolist()
    return message


def cartesian_chunk_message(chunk: ActionChunk) -> MultiDOFJointTrajectory:
    """Chunk of poses (k, 7) -> trajectory whose header stamp is the splice."""
    message = MultiDOFJointTrajectory(joint_names=[TCP_JOINT])
    message.header.stamp = time_message(chunk.splice_ns)
    message.header.frame_id = BASE_FRAME
    for stamp, pose in zip(chunk.stamps_ns, chunk.waypoints, strict=True):
        transform = Transform()
        _fill(transform.translation, transform.rotation, pose)
        point = MultiDOFJointTrajectoryPoint(transforms=[transform])
        point.time_from_start = _duration(stamp - chunk.splice_ns)
        message.points.append(point)
    return message


def cartesian_chunk(message: MultiDOFJointTrajectory) -> ActionChunk:
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


def joint_chunk_message(chunk: ActionChunk, names: Sequence[str]) -> JointTrajectory:
    """Chunk of joint positions (k, n) -> trajectory whose header stamp is the splice."""
    message = JointTrajectory(joint_names=list(names))
    message.header.stamp = time_message(chunk.splice_ns)
    for stamp, positions in zip(chunk.stamps_ns, chunk.waypoints, strict=True):
        point = JointTrajectoryPoint(positions=positions.tolist())
        point.time_from_start = _duration(stamp - chunk.splice_ns)
        message.points.append(point)
    return message


def joint_chunk(message: JointTrajectory, names: Sequence[str]) -> ActionChunk:
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


def diagnostics_message(
    stamp_ns: int, name: str, level: bytes, text: str, values: Mapping[str, Any]
) -> DiagnosticArray:
    """One status as DiagnosticArray."""
    status = DiagnosticStatus(name=name, level=level, message=text, hardware_id='dp_ros')
    status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    message = DiagnosticArray(status=[status])
    message.header.stamp = time_message(stamp_ns)
    return message


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


def _duration(span_ns: int) -> Duration:
    return Duration(sec=span_ns // SECOND_NS, nanosec=span_ns % SECOND_NS)


def _fill(position: Any, rotation: Any, pose: Array) -> None:
    position.x, position.y, position.z = pose[:3].tolist()
    rotation.x, rotation.y, rotation.z, rotation.w = pose[3:].tolist()


def _pose_array(pose: Pose) -> Array:
    position, rotation = pose.position, pose.orientation
    return _checked_pose(position, rotation)


def _transform_array(transform: Transform) -> Array:
    return _checked_pose(transform.translation, transform.rotation)


def _checked_pose(position: Any, rotation: Any) -> Array:
    values = [position.x, position.y, position.z, rotation.x, rotation.y, rotation.z, rotation.w]
    array = _finite(values, 'pose')
    norm = float(np.linalg.norm(array[3:]))
    if abs(norm - 1) > 1e-3:
        raise MessageError(f'quaternion has length {norm:.4g}; expected 1')
    return array
