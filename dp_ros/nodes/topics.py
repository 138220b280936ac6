"""Every topic and service of the graph: name, type and quality of service, in one table."""

import importlib
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import (
    DurabilityPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from sensor_msgs.msg import CameraInfo, JointState, Joy, TimeReference
from std_msgs.msg import Empty, String
from trajectory_msgs.msg import JointTrajectory, MultiDOFJointTrajectory

from dp_ros.data import topic_names
from dp_ros.data.stream_inputs import image_topic

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
# So long a node may be stuck in a callback before it counts as silent.
HEARTBEAT_LEASE_S = 1.5
HEARTBEAT = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
    liveliness_lease_duration=Duration(seconds=HEARTBEAT_LEASE_S),
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


JOINT_STATES = Topic(topic_names.JOINT_STATES, JointState, SENSOR)
TCP_POSE = Topic(topic_names.TCP_POSE, PoseStamped, SENSOR)
TCP_WRENCH = Topic(topic_names.TCP_WRENCH, WrenchStamped, SENSOR)
BLOCK_POSE = Topic(topic_names.BLOCK_POSE, PoseStamped, SENSOR)
CARTESIAN_CHUNK = Topic(topic_names.CHUNK, MultiDOFJointTrajectory, CHUNK)
JOINT_CHUNK = Topic(topic_names.CHUNK, JointTrajectory, CHUNK)
POLICY_CLOCK = Topic(topic_names.POLICY_CLOCK, TimeReference, SENSOR)
CARTESIAN_SCHEDULE = Topic(topic_names.SCHEDULE, MultiDOFJointTrajectory, RELIABLE)
JOINT_SCHEDULE = Topic(topic_names.SCHEDULE, JointTrajectory, RELIABLE)
CARTESIAN_COMMAND = Topic(topic_names.COMMAND, PoseStamped, SENSOR)
JOINT_COMMAND = Topic(topic_names.COMMAND, JointState, SENSOR)
TELEOP_TWIST = Topic(topic_names.TWIST, TwistStamped, SENSOR)
JOY = Topic(topic_names.JOY, Joy, SENSOR)
MODE = Topic(topic_names.MODE, String, LATCHED)
DIAGNOSTICS = Topic(topic_names.DIAGNOSTICS, DiagnosticArray, RELIABLE)


def message_type(name: str) -> type[Any]:
    """The class of messages called as in sensor_msgs/msg/Image."""
    package, _, kind = name.split('/')
    found: type[Any] = getattr(importlib.import_module(f'{package}.msg'), kind)
    return found


def type_name(kind: type[Any]) -> str:
    """The inverse of `message_type`."""
    return f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'


def color_image(camera: str, jpeg: bool) -> Topic:
    """The frames of a camera, named as realsense-ros and image_transport name them."""
    name, kind = image_topic(f'/{camera}/color/image_raw', jpeg)
    return Topic(name, message_type(kind), SENSOR)


def camera_info(camera: str) -> Topic:
    """The calibration of a camera."""
    return Topic(f'/{camera}/color/camera_info', CameraInfo, SENSOR)


def heartbeat(node: str) -> Topic:
    """Nothing is said here: that `node` lives is told by the liveliness of its publisher."""
    return Topic(f'/{node}/heartbeat', Empty, HEARTBEAT)


ARM_SERVICE = '/executor/arm'  # std_srvs/SetBool: true hands over to the policy, false lets go
HOLD_SERVICE = '/executor/hold'  # std_srvs/Trigger: brake and stay
RECOVER_SERVICE = '/executor/recover'  # std_srvs/Trigger: clear a stop, go back, hold
RESET_SERVICE = '/sim/reset'  # std_srvs/Trigger: the start of the episode of parameter `seed`
# std_srvs/Trigger: what can happen to a controller, as methods of sim.ur_controller.URController
SIM_EVENTS = (
    'protective_stop',
    'safeguard_stop',
    'emergency_stop',
    'stop_program',
    'power_off',
    'local_control',
    'remote_control',
    'mute',
    'unmute',
    'drop_rtde',
    'drop_control',
    'release',
)


def sim_event(name: str) -> str:
    """The service of the simulated cell that makes one of SIM_EVENTS happen."""
    return f'/sim/{name}'
