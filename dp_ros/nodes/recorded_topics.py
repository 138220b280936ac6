"""What an episode consists of, and how its topics are announced in the bag."""

import contextlib
from collections.abc import Sequence
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

from dp_ros.data.stream_inputs import image_topic, stream_inputs
from dp_ros.nodes import topics
from dp_ros.nodes.topics import Topic
from dp_ros.robot import Robot
from dp_ros.task import CartesianAction, Task

TF_TYPE = 'tf2_msgs/msg/TFMessage'


def required_topics(task: Task, robot: Robot) -> list[Topic]:
    """The streams of `task`, what was planned, and what was sent to the arm."""
    cartesian = isinstance(task.action, CartesianAction)
    inputs = stream_inputs(task, robot)
    found = [Topic(i.topic, topics.message_type(i.type), topics.SENSOR) for i in inputs]
    found += [topics.JOINT_STATES, topics.TCP_POSE, topics.TCP_WRENCH, topics.MODE]
    found += [topics.CARTESIAN_CHUNK if cartesian else topics.JOINT_CHUNK]
    found += [topics.CARTESIAN_SCHEDULE if cartesian else topics.JOINT_SCHEDULE]
    found += [topics.CARTESIAN_COMMAND if cartesian else topics.JOINT_COMMAND]
    found += [topics.DIAGNOSTICS]
    return list({topic.name: topic for topic in found}.values())


def optional_topics(task: Task) -> list[Topic]:
    """What is recorded if somebody says it: teleoperation, calibrations, frames of reference."""
    found = [topics.TELEOP_TWIST, topics.JOY, *(topics.camera_info(s.name) for s in task.cameras)]
    # tf2_msgs comes with an installed ROS 2; there is no wheel of it.
    with contextlib.suppress(ImportError):
        kind = topics.message_type(TF_TYPE)
        static = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        found += [Topic('/tf', kind, topics.RELIABLE), Topic('/tf_static', kind, static)]
    return found


def latched(topic: Topic) -> bool:
    """Whether what was said on it before an episode still holds when the episode begins."""
    return topic.qos.durability == DurabilityPolicy.TRANSIENT_LOCAL


def latched_publishers(node: Node, topic: Topic) -> set[bytes]:
    """Who is there to stand by what was said on a latched topic; nobody on other topics."""
    if not latched(topic):
        return set()
    present: Sequence[Any] = node.get_publishers_info_by_topic(topic.name)
    return {bytes(publisher.endpoint_gid) for publisher in present}


def offered_qos(node: Node, topic: Topic) -> tuple[Qos, ...]:
    """The QoS of the publishers that are there now; what the graph's table says if none is."""
    offered: Sequence[Any] = node.get_publishers_info_by_topic(topic.name)
    profiles = [publisher.qos_profile for publisher in offered] or [topic.qos]
    return tuple(_qos(profile) for profile in profiles)


def frame_topics(task: Task, robot: Robot) -> set[str]:
    """The topics of raw frames."""
    cameras = (s for s in task.cameras if not robot.cameras[s.name].jpeg)
    return {image_topic(stream.topic, jpeg=False)[0] for stream in cameras}


def _qos(profile: QoSProfile) -> Qos:
    return Qos(
        QosHistory(int(profile.history)),
        profile.depth,
        QosReliability(int(profile.reliability)),
        QosDurability(int(profile.durability)),
        _time(profile.deadline),
        _time(profile.lifespan),
        QosLiveliness(int(profile.liveliness)),
        _time(profile.liveliness_lease_duration),
        profile.avoid_ros_namespace_conventions,
    )


def _time(duration: Duration) -> QosTime:
    return QosTime(*divmod(duration.nanoseconds, 1_000_000_000))
