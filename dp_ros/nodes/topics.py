"""Every topic and service of the graph: name, type and quality of service, in one table."""

from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, WrenchStamped
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import (
    DurabilityPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, MultiDOFJointTrajectory

# Newest values of a fast stream: a lost one is replaced by the next, never sent again.
SENSOR = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# The middleware itself notices within this time that the process which plans has died.
POLICY_LEASE_S = 0.2
CHUNK = QoSProfile(
    depth=5,
    reliability=ReliabilityPolicy.RELIABLE,
    liveliness=LivelinessPolicy.AUTOMATIC,
    liveliness_lease_duration=Duration(seconds=POLICY_LEASE_S),
)


@dataclass(frozen=True)
class Topic:
    """One row of the table."""

    name: str
    type: type[Any]
    qos: QoSProfile

    def publisher(self, node: Node) -> 'Publisher[Any]':
        """A publisher of this topic on `node`."""
        return node.create_publisher(self.type, self.name, self.qos)


JOINT_STATES = Topic('/joint_states', JointState, SENSOR)
TCP_POSE = Topic('/tcp_pose', PoseStamped, SENSOR)
TCP_WRENCH = Topic('/tcp_wrench', WrenchStamped, SENSOR)
BLOCK_POSE = Topic('/block_pose', PoseStamped, SENSOR)
CARTESIAN_CHUNK = Topic('/policy/chunk', MultiDOFJointTrajectory, CHUNK)
JOINT_CHUNK = Topic('/policy/chunk', JointTrajectory, CHUNK)
CARTESIAN_SCHEDULE = Topic('/executor/schedule', MultiDOFJointTrajectory, RELIABLE)
JOINT_SCHEDULE = Topic('/executor/schedule', JointTrajectory, RELIABLE)
CARTESIAN_COMMAND = Topic('/executor/command', PoseStamped, SENSOR)
JOINT_COMMAND = Topic('/executor/command', JointState, SENSOR)
MODE = Topic('/executor/mode', String, LATCHED)
DIAGNOSTICS = Topic('/diagnostics', DiagnosticArray, RELIABLE)


def color_image(camera: str, jpeg: bool) -> Topic:
    """The frames of a camera, named as realsense-ros and image_transport name them."""
    raw = f'/{camera}/color/image_raw'
    return (
        Topic(f'{raw}/compressed', CompressedImage, SENSOR) if jpeg else Topic(raw, Image, SENSOR)
    )


def camera_info(camera: str) -> Topic:
    """The calibration of a camera."""
    return Topic(f'/{camera}/color/camera_info', CameraInfo, SENSOR)


ARM_SERVICE = '/executor/arm'  # std_srvs/SetBool: true hands over to the policy, false lets go
HOLD_SERVICE = '/executor/hold'  # std_srvs/Trigger: brake and stay
RESET_SERVICE = '/sim/reset'  # std_srvs/Trigger: the start of the episode of parameter `seed`
