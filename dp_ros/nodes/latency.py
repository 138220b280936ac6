"""The latency process: moves the tip in a small wave and times what each camera sees of it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dp_ros import atomic
from dp_ros.core import latency
from dp_ros.data import messages
from dp_ros.data.stream_inputs import CameraInput
from dp_ros.nodes import process, topics
from dp_ros.nodes.calls import CallError
from dp_ros.nodes.parameters import declare
from dp_ros.nodes.waving import WavingNode
from dp_ros.robot import load_robot
from dp_ros.task import ImageStream

# A quarter of the resolution is enough to see that something moves.
SHRINK = 4


class LatencyNode(WavingNode):
    """Collects the arm's positions and how much each camera's picture changes."""

    def __init__(self) -> None:
        super().__init__('latency')
        self.robot_file = declare(self, 'robot', '', 'robot file (YAML)')
        self.seconds = declare(self, 'seconds', 20.0, 'length of the motion [s]', (5.0, 120.0))
        self.out = declare(self, 'out', '', 'file for the figures (JSON)')
        self.robot = load_robot(self.robot_file)
        self.changes: dict[str, list[tuple[int, float]]] = {
            name: [] for name in self.robot.cameras
        }
        self._last: dict[str, Any] = {}
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

    def silent(self) -> list[str]:
        """The cameras that have sent nothing yet."""
        return [f'camera {name!r}' for name in self.changes if name not in self._last]

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

    def _on_frame(self, frames: CameraInput, message: Any) -> None:
        try:
            sample = frames.sample(message)
            picture = sample.value.prepared().astype(np.int16)
        except messages.MessageError as error:
            self.get_logger().error(f'camera {frames.name!r}: {error}', throttle_duration_sec=1.0)
            return
        before = self._last.get(frames.name)
        self._last[frames.name] = picture
        if self.recording:
            change = 0.0 if before is None else float(np.abs(picture - before).mean())
            self.changes[frames.name].append((sample.stamp_ns, change))


def measure(node: LatencyNode) -> None:
    """The whole measurement; writes the figures."""
    node.wait_for_streams()
    node.move(node.seconds)
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
