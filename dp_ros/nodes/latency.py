"""The latency process: moves the tip in a small wave and times what each camera sees of it."""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node
from std_srvs.srv import SetBool

from dp_ros import atomic
from dp_ros.core import latency
from dp_ros.core.stamped import Array
from dp_ros.data import messages
from dp_ros.data.stream_inputs import CameraInput
from dp_ros.nodes import convert, process, topics
from dp_ros.nodes.calls import CallError, call
from dp_ros.nodes.parameters import declare
from dp_ros.nodes.wave import Wave
from dp_ros.robot import load_robot
from dp_ros.task import ImageStream

PLAN_PERIOD_S = 0.3
WARM_UP_S = 30.0
# A quarter of the resolution is enough to see that something moves.
SHRINK = 4


class LatencyNode(Node):
    """Collects the arm's positions and how much each camera's picture changes."""

    def __init__(self) -> None:
        super().__init__('latency')
        self.robot_file = declare(self, 'robot', '', 'robot file (YAML)')
        self.seconds = declare(self, 'seconds', 20.0, 'length of the motion [s]', (5.0, 120.0))
        self.out = declare(self, 'out', '', 'file for the figures (JSON)')
        self.robot = load_robot(self.robot_file)
        self.poses: list[tuple[int, Array]] = []
        self.changes: dict[str, list[tuple[int, float]]] = {
            name: [] for name in self.robot.cameras
        }
        self._last: dict[str, Any] = {}
        self._standing: Array | None = None
        self._recording = False
        self.chunk_out = topics.CARTESIAN_CHUNK.publisher(self)
        self.arm_client: Any = self.create_client(SetBool, topics.ARM_SERVICE)
        pose = topics.TCP_POSE
        self.create_subscription(pose.type, pose.name, self._on_pose, pose.qos)
        self.topics: dict[str, str] = {}
        for name, camera in self.robot.cameras.items():
            size = (camera.width // SHRINK, camera.height // SHRINK)
            stream = ImageStream(
                type='image', name=name, width=camera.width, height=camera.height, size=size
            )
            self.topics[name] = stream.topic
            frames = CameraInput(stream, 0, camera.jpeg)
            kind = topics.message_type(frames.type)
            self.create_subscription(
                kind, frames.topic, partial(self._on_frame, frames), topics.SENSOR
            )

    def now_ns(self) -> int:
        """ROS time."""
        return int(self.get_clock().now().nanoseconds)

    def wait_for_streams(self) -> None:
        """Until the arm and every camera are there and no policy is; raises CallError."""
        deadline = time.monotonic() + WARM_UP_S
        if not self.arm_client.wait_for_service(WARM_UP_S):
            raise CallError(f'no executor: {topics.ARM_SERVICE} did not appear')
        while silent := self._silent():
            if time.monotonic() > deadline:
                raise CallError(f'nothing came from {", ".join(silent)} within {WARM_UP_S:.0f} s')
            time.sleep(0.05)
        others = self.count_publishers(topics.CARTESIAN_CHUNK.name) - 1
        if others:
            raise CallError(
                f'{others} other node publishes on {topics.CARTESIAN_CHUNK.name}: stop the policy '
                f'while latencies are measured'
            )

    def move(self) -> None:
        """Play the wave through the executor and record; raises CallError."""
        assert self._standing is not None, 'wait_for_streams first'
        call(self.arm_client, SetBool.Request(data=True), 'arm')
        try:
            self._recording = True
            begun = self.now_ns() + round(0.3e9)
            wave = Wave(self._standing, begun, self.seconds)
            while (chunk := wave.chunk(self.now_ns())) is not None:
                self.chunk_out.publish(convert.cartesian_chunk_message(chunk))
                time.sleep(PLAN_PERIOD_S)
            time.sleep(1.0)
        finally:
            self._recording = False
            call(self.arm_client, SetBool.Request(data=False), 'let go of the arm')

    def results(self) -> dict[str, latency.Latency]:
        """The latency of each camera; raises CallError where too little came."""
        stamps = np.array([stamp for stamp, _ in self.poses])
        positions = np.array([pose[:3] for _, pose in self.poses])
        found = {}
        for name, rows in self.changes.items():
            frames = np.array([stamp for stamp, _ in rows], dtype=np.int64)
            try:
                found[name] = latency.measure(
                    frames, np.array([change for _, change in rows]), stamps, positions
                )
            except ValueError as error:
                raise CallError(f'camera {name!r}: {error}') from None
        return found

    def _silent(self) -> list[str]:
        cameras = [f'camera {name!r}' for name in self.changes if name not in self._last]
        return cameras if self._standing is not None else [topics.TCP_POSE.name, *cameras]

    def _on_pose(self, message: Any) -> None:
        sample = messages.pose_sample(message)
        self._standing = sample.value
        if self._recording:
            self.poses.append((sample.stamp_ns, sample.value))

    def _on_frame(self, frames: CameraInput, message: Any) -> None:
        try:
            sample = frames.sample(message)
            picture = sample.value.prepared().astype(np.int16)
        except messages.MessageError as error:
            self.get_logger().error(f'camera {frames.name!r}: {error}', throttle_duration_sec=1.0)
            return
        before = self._last.get(frames.name)
        self._last[frames.name] = picture
        if self._recording:
            change = 0.0 if before is None else float(np.abs(picture - before).mean())
            self.changes[frames.name].append((sample.stamp_ns, change))


def measure(node: LatencyNode) -> None:
    """The whole measurement; writes the figures."""
    node.wait_for_streams()
    node.move()
    figures = {
        name: {
            'topic': node.topics[name],
            'latency_s': round(found.latency_s, 4),
            'agreement': round(found.agreement, 3),
            'frames': len(node.changes[name]),
        }
        for name, found in node.results().items()
    }
    atomic.write_text(Path(node.out), json.dumps(figures, indent=2) + '\n')


def main() -> None:
    """Run the latency process; exits with 1 and a sentence where it cannot be measured."""
    process.foreground(LatencyNode, measure, (CallError, ValueError, OSError))


if __name__ == '__main__':
    main()
