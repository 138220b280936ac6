"""A node that moves the tip in a small wave through the executor, and hears where the arm is."""

import time
from typing import Any

from rclpy.node import Node
from std_srvs.srv import SetBool

from dp_ros.core.stamped import Array
from dp_ros.data import messages
from dp_ros.nodes import convert, topics
from dp_ros.nodes.calls import CallError, call
from dp_ros.nodes.wave import Wave

PLAN_PERIOD_S = 0.3
WARM_UP_S = 30.0


class WavingNode(Node):
    """`poses`: stamps [ns] and poses (7,) of the arm while it moves; `recording`: whether it does.

    What else a subclass hears, it waits for by `silent` and keeps while `recording`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.recording = False
        self.poses: list[tuple[int, Array]] = []
        self._standing: Array | None = None
        self._chunk_out = topics.CARTESIAN_CHUNK.publisher(self)
        self._arm: Any = self.create_client(SetBool, topics.ARM_SERVICE)
        pose = topics.TCP_POSE
        self.create_subscription(pose.type, pose.name, self._on_pose, pose.qos)

    def silent(self) -> list[str]:
        """What has not been heard yet, besides the arm."""
        return []

    def wait_for_streams(self) -> None:
        """Until the arm and all else are there and no policy is; raises CallError."""
        deadline = time.monotonic() + WARM_UP_S
        if not self._arm.wait_for_service(WARM_UP_S):
            raise CallError(f'no executor: {topics.ARM_SERVICE} did not appear')
        while silent := self._all_silent():
            if time.monotonic() > deadline:
                raise CallError(f'nothing came from {", ".join(silent)} within {WARM_UP_S:.0f} s')
            time.sleep(0.05)
        others = self.count_publishers(topics.CARTESIAN_CHUNK.name) - 1
        if others:
            raise CallError(
                f'{others} other node publishes on {topics.CARTESIAN_CHUNK.name}: stop the policy '
                f'while this measures'
            )

    def move(self, seconds: float) -> None:
        """Play the wave through the executor and record; raises CallError."""
        assert self._standing is not None, 'wait_for_streams first'
        call(self._arm, SetBool.Request(data=True), 'arm')
        try:
            self.recording = True
            wave = Wave(self._standing, self.now_ns() + round(0.3e9), seconds)
            while (chunk := wave.chunk(self.now_ns())) is not None:
                self._chunk_out.publish(convert.cartesian_chunk_message(chunk))
                time.sleep(PLAN_PERIOD_S)
            time.sleep(1.0)
        finally:
            self.recording = False
            call(self._arm, SetBool.Request(data=False), 'let go of the arm')

    def now_ns(self) -> int:
        """ROS time."""
        return int(self.get_clock().now().nanoseconds)

    def _all_silent(self) -> list[str]:
        arm = [] if self._standing is not None else [topics.TCP_POSE.name]
        return arm + self.silent()

    def _on_pose(self, message: Any) -> None:
        sample = messages.pose_sample(message)
        self._standing = sample.value
        if self.recording:
            self.poses.append((sample.stamp_ns, sample.value))
