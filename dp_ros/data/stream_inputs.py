"""An input for each stream of a task: its topic, and the samples of its messages."""

from typing import Any, Protocol

from dp_ros.core.frame_watch import FrameWatch
from dp_ros.core.refusal import Refusal
from dp_ros.core.stamped import Sample
from dp_ros.core.stream_buffer import Kind, StreamSpec
from dp_ros.data import messages, pictures
from dp_ros.robot import Robot
from dp_ros.task import ImageStream, PoseStream, Task, VectorStream

# A JPEG must be decoded to tell its brightness: that is done a few times a second.
BRIGHTNESS_PERIOD_NS = 200_000_000

POSE, JOINTS = 'geometry_msgs/msg/PoseStamped', 'sensor_msgs/msg/JointState'
RAW_IMAGE, JPEG_IMAGE = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'


class StreamInput(Protocol):
    """`sample` raises MessageError; `fault` is what the samples themselves suffer from.

    type: of the messages, as in sensor_msgs/msg/Image.
    """

    name: str
    topic: str
    type: str
    spec: StreamSpec
    fault: Refusal | None

    def sample(self, message: Any) -> Sample:
        """The message as a value stamped with the time of its capture."""


class VectorInput:
    """Poses or joint positions."""

    def __init__(self, stream: VectorStream, latency_ns: int) -> None:
        self._stream, self._latency_ns = stream, latency_ns
        self.name, self.topic = stream.name, stream.topic
        pose = isinstance(stream, PoseStream)
        self.type = POSE if pose else JOINTS
        kind = Kind.POSE if pose else Kind.LINEAR
        self.spec = StreamSpec(kind, round(stream.tolerance_s * 1e9))
        self.fault: Refusal | None = None

    def sample(self, message: Any) -> Sample:
        if isinstance(self._stream, PoseStream):
            return messages.pose_sample(message, self._latency_ns)
        return messages.joint_sample(message, self._stream.components, self._latency_ns)


class CameraInput:
    """Frames of a camera, raw or as JPEG; they are watched, but not decoded."""

    def __init__(self, stream: ImageStream, latency_ns: int, jpeg: bool) -> None:
        self._stream, self._latency_ns = stream, latency_ns
        self._watch = FrameWatch()
        self._brightness, self._measured_ns = 0.0, 0
        self.name = stream.name
        self.topic, self.type = image_topic(stream.topic, jpeg)
        period_ns = round(1e9 / stream.rate_hz)
        self.spec = StreamSpec(Kind.FRAME, round(stream.tolerance_s * 1e9), period_ns)
        self.fault: Refusal | None = None

    def sample(self, message: Any) -> Sample:
        stamp_ns = messages.nanoseconds(message.header.stamp) - self._latency_ns
        digest = pictures.digest(message, self._stream)
        if abs(stamp_ns - self._measured_ns) >= BRIGHTNESS_PERIOD_NS:
            self._brightness = pictures.brightness(message, self._stream)
            self._measured_ns = stamp_ns
        self.fault = self._watch.look(stamp_ns, digest, self._brightness)
        return Sample(stamp_ns, pictures.Picture(message, self._stream))


def image_topic(raw: str, jpeg: bool) -> tuple[str, str]:
    """Name and type of the topic that carries frames, as image_transport names them."""
    return (f'{raw}/compressed', JPEG_IMAGE) if jpeg else (raw, RAW_IMAGE)


def stream_inputs(task: Task, robot: Robot | None) -> list[StreamInput]:
    """The inputs of `task`, in its order, with the latencies and transports of the robot file."""
    return [_stream_input(stream, robot) for stream in task.observations]


def _stream_input(stream: VectorStream | ImageStream, robot: Robot | None) -> StreamInput:
    latency_ns = robot.latency_ns(stream.topic) if robot else 0
    if not isinstance(stream, ImageStream):
        return VectorInput(stream, latency_ns)
    jpeg = robot is not None and robot.cameras[stream.name].jpeg
    return CameraInput(stream, latency_ns, jpeg)
