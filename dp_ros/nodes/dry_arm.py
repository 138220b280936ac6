"""The arm of a dry run: it stands where a played bag says that the recorded one stood."""

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node

from dp_ros.data import messages
from dp_ros.hardware.dry import DryArm
from dp_ros.nodes import topics


def recorded_arm(node: Node, joints: Sequence[str]) -> DryArm:
    """An arm that `node` shows the joint states and poses it hears."""
    arm = DryArm()

    def on_joints(message: Any) -> None:
        arm.show_joints(messages.joint_sample(message, joints).value)

    def on_pose(message: Any) -> None:
        arm.show_pose(messages.pose_sample(message).value)

    for topic, callback in ((topics.JOINT_STATES, on_joints), (topics.TCP_POSE, on_pose)):
        node.create_subscription(topic.type, topic.name, callback, topic.qos)
    return arm
