"""Core values to ROS messages; data/messages.py is the way back."""

from collections.abc import Mapping, Sequence
from typing import Any

from builtin_interfaces.msg import Duration, Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, Transform, TwistStamped, WrenchStamped
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import (
    JointTrajectory,
    JointTrajectoryPoint,
    MultiDOFJointTrajectory,
    MultiDOFJointTrajectoryPoint,
)

from dp_ros.core.stamped import ActionChunk, Array
from dp_ros.data.messages import BASE_FRAME, RELEASED_FRAME, SECOND_NS, TCP_JOINT


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


def twist_message(stamp_ns: int, twist: Array, released: bool = False) -> TwistStamped:
    """Twist (6,) linear [m/s], angular [rad/s] in the base frame -> TwistStamped.

    released: the deadman is let go, and no twist follows. A zero twist alone does not say so: it
    is also that of a person who holds the deadman and keeps the arm where it is.
    """
    message = TwistStamped()
    message.header.stamp = time_message(stamp_ns)
    message.header.frame_id = RELEASED_FRAME if released else BASE_FRAME
    linear, angular = message.twist.linear, message.twist.angular
    linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = map(float, twist)
    return message


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


def joint_chunk_message(chunk: ActionChunk, names: Sequence[str]) -> JointTrajectory:
    """Chunk of joint positions (k, n) -> trajectory whose header stamp is the splice."""
    message = JointTrajectory(joint_names=list(names))
    message.header.stamp = time_message(chunk.splice_ns)
    for stamp, positions in zip(chunk.stamps_ns, chunk.waypoints, strict=True):
        point = JointTrajectoryPoint(positions=positions.tolist())
        point.time_from_start = _duration(stamp - chunk.splice_ns)
        message.points.append(point)
    return message


def diagnostics_message(
    stamp_ns: int, name: str, level: bytes, text: str, values: Mapping[str, Any]
) -> DiagnosticArray:
    """One status as DiagnosticArray."""
    status = DiagnosticStatus(name=name, level=level, message=text, hardware_id='dp_ros')
    status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    message = DiagnosticArray(status=[status])
    message.header.stamp = time_message(stamp_ns)
    return message


def _duration(span_ns: int) -> Duration:
    return Duration(sec=span_ns // SECOND_NS, nanosec=span_ns % SECOND_NS)


def _fill(position: Any, rotation: Any, pose: Array) -> None:
    position.x, position.y, position.z = pose[:3].tolist()
    rotation.x, rotation.y, rotation.z, rotation.w = pose[3:].tolist()
