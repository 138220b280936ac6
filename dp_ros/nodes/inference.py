"""The inference node: windows in, action chunks out, while the executor plays the chunk before."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String

from dp_ros.core.mode import Mode
from dp_ros.core.receding import RecedingHorizon
from dp_ros.core.refusal import Refused
from dp_ros.core.stamped import ActionChunk, ObservationWindow
from dp_ros.data import alignment
from dp_ros.data.alignment import StampedImage
from dp_ros.learning import checkpoint
from dp_ros.learning.engine import Engine
from dp_ros.learning.planner import Planner, receding_horizon
from dp_ros.nodes import convert, topics
from dp_ros.nodes.health import Health
from dp_ros.nodes.observation import ObservationNode
from dp_ros.nodes.parameters import declare
from dp_ros.task import CartesianAction, load_task

WARM_UP_CHUNKS = 3
REPORT_PERIOD_S = 0.5
# The next anchor is never further ahead than the horizons; if it is, time has been set back.
CLOCK_SET_BACK_NS = 1_000_000_000


class InferenceNode(LifecycleNode):
    """Lifecycle: configure loads and warms up the policy, activate plans while it commands."""

    def __init__(self, observation: ObservationNode) -> None:
        super().__init__('inference')
        self._observation = observation
        self._checkpoint_folder = declare(self, 'checkpoint', '', 'folder of the checkpoint')
        self._task_file = declare(self, 'task', '', 'task description (YAML file)')
        self._device = declare(self, 'device', 'cpu', 'where to denoise: cpu, cuda, cuda:1 ...')
        threads = declare(self, 'threads', 1, 'CPU threads of the denoiser', (1, 64))
        self._seed = declare(self, 'seed', 0, 'seed of the noise that chunks start from')
        declare(self, 'autostart', True, 'configure and activate at start')
        torch.set_num_threads(threads)
        self._health = Health(self)
        self._commanding = False
        self._wake = threading.Condition()
        self._worker: threading.Thread | None = None
        self._stopping = False
        self.hopeless = ''
        self._status = 'not configured'
        self._values: dict[str, Any] = {}
        self.create_timer(REPORT_PERIOD_S, self._report)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the checkpoint, check it against the task, warm up."""
        try:
            self._task = load_task(self._task_file)
            loaded = checkpoint.load(Path(self._checkpoint_folder))
            loaded.require(self._task, self._task_file)
            self._engine = Engine(loaded.policy, self._device)
        except (ValueError, RuntimeError) as error:
            self.hopeless = str(error)
            self.get_logger().error(self.hopeless)
            self._report()
            return TransitionCallbackReturn.FAILURE
        self._planner = Planner(self._task, self._engine, self._seed)
        for _ in range(WARM_UP_CHUNKS):
            self._engine.warm_up()
        self._horizon = receding_horizon(self._task)
        cartesian = isinstance(self._task.action, CartesianAction)
        topic = topics.CARTESIAN_CHUNK if cartesian else topics.JOINT_CHUNK
        self._chunks = topic.publisher(self)
        self._mode_input = self.create_subscription(
            topics.MODE.type, topics.MODE.name, self._on_mode, topics.MODE.qos
        )
        self.get_logger().info(f'policy {loaded.name}, identity {loaded.identity}, is warm')
        self._status, self._values = 'warm', {'identity': loaded.identity}
        self._report()
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the planning thread."""
        self._stopping = False
        self._worker = threading.Thread(target=self._plan_forever, name='planning', daemon=True)
        self._worker.start()
        self._observation.on_sample = self._on_sample
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the planning thread."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Remove what configure made."""
        self.destroy_publisher(self._chunks)
        self.destroy_subscription(self._mode_input)
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """End the planning thread after the chunk that it is at."""
        self._stopping = True
        self._notify()
        if self._worker is not None:
            self._worker.join(timeout=2.0)
            self._worker = None

    # ROS callbacks, in the main thread.

    def _report(self) -> None:
        level = DiagnosticStatus.ERROR if self.hopeless else DiagnosticStatus.OK
        self._health.report('inference', level, self.hopeless or self._status, self._values)

    def _on_mode(self, message: String) -> None:
        with self._wake:
            commanding = message.data == Mode.POLICY.value
            if commanding and not self._commanding:
                self._horizon = self._horizon.started(self._now_ns())
            self._commanding = commanding
            self._wake.notify()

    def _on_sample(self) -> None:
        # Waking the planning thread costs it the interpreter, so only when there is work.
        if self._commanding and self._now_ns() >= self._work_from_ns():
            self._notify()

    def _work_from_ns(self) -> int:
        """When samples of the next window begin to matter: a frame as soon as it is known."""
        ahead = self._task.horizons.observation - 1 if self._task.cameras else 0
        return self._horizon.next_anchor_ns - ahead * self._task.period_ns

    def _notify(self) -> None:
        with self._wake:
            self._wake.notify()

    # The planning thread.

    def _plan_forever(self) -> None:
        while not self._stopping:
            anchor = self._next_anchor()
            if anchor is None:
                self._look_ahead()
                continue
            window = self._observation.window(anchor)
            if isinstance(window, Refused):
                self._refuse(anchor, window)
                continue
            frames = self._observation.images(window)
            if isinstance(frames, Refused):
                self._refuse(anchor, frames)
                continue
            self._plan(window, frames)

    def _next_anchor(self) -> int | None:
        """Wait for the next window's anchor; None after a while without one."""
        with self._wake:
            self._mind_the_clock()
            # The newest anchor is asked for inside, so that no sample slips past the wait.
            anchor = self._horizon.anchor(self._observation.newest_anchor_ns())
            if not self._commanding or anchor is None:
                self._wake.wait(timeout=0.1)
                return None
            return anchor

    def _mind_the_clock(self) -> None:
        horizons = self._task.horizons
        furthest = max(horizons.observation, horizons.action) * self._task.period_ns
        now_ns = self._now_ns()
        if self._horizon.next_anchor_ns > now_ns + furthest + CLOCK_SET_BACK_NS:
            self._horizon = self._horizon.started(now_ns)

    def _look_ahead(self) -> None:
        """Encode what is already known of the next window, so that its last frames remain."""
        if not self._commanding:
            return
        for camera, frame in self._observation.settled(self._horizon.next_anchor_ns):
            image = self._observation.image(camera, frame)
            if not isinstance(image, Refused):
                self._engine.encode(camera, frame.stamp_ns, image)

    def _plan(self, window: ObservationWindow, frames: Mapping[str, list[StampedImage]]) -> None:
        anchor = window.anchor_ns
        window_ms = (self._now_ns() - anchor) / 1e6
        begun = time.monotonic()
        waypoints = self._planner.waypoints(window, frames)
        inference_ms = (time.monotonic() - begun) * 1e3
        chunk = self._horizon.chunk(waypoints, anchor, self._now_ns())
        self._advance(self._horizon.planned(anchor), anchor)
        if chunk is not None and self.context.ok():
            self._publish(chunk)
        values = {
            'anchor_ns': anchor,
            'splice_ns': chunk.splice_ns if chunk else 0,
            'window_ms': window_ms,
            'inference_ms': inference_ms,
            # By it a bag can be checked to give the window that this node had.
            'window': alignment.digest(window, frames),
        }
        level = DiagnosticStatus.WARN if chunk is None else DiagnosticStatus.OK
        text = 'too late: every action of the chunk is past' if chunk is None else 'planned'
        self._health.report('inference/chunk', level, text, values)

    def _refuse(self, anchor: int, refused: Refused) -> None:
        self._advance(self._horizon.refused(anchor), anchor)
        self._health.report('inference/window', DiagnosticStatus.WARN, str(refused), {})

    def _advance(self, horizon: RecedingHorizon, anchor: int) -> None:
        with self._wake:
            # A new epoch may have begun meanwhile; its start must not be overwritten.
            if anchor >= self._horizon.next_anchor_ns:
                self._horizon = horizon

    def _publish(self, chunk: ActionChunk) -> None:
        if isinstance(self._task.action, CartesianAction):
            self._chunks.publish(convert.cartesian_chunk_message(chunk))
        else:
            names = self._task.action.components
            self._chunks.publish(convert.joint_chunk_message(chunk, names))

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)
