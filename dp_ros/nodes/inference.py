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

from dp_ros import paths
from dp_ros.core.asynchronous import Ask, AsynchronousPlanning
from dp_ros.core.mode import Mode
from dp_ros.core.refusal import Refused
from dp_ros.core.stamped import ActionChunk, ObservationWindow
from dp_ros.data import alignment, messages
from dp_ros.data.alignment import StampedImage
from dp_ros.learning import checkpoint
from dp_ros.learning.engines import make_engine
from dp_ros.learning.graph_cache import GraphCache
from dp_ros.learning.planner import Planner, receding_horizon, stop_and_wait
from dp_ros.learning.transition import TRANSITIONS
from dp_ros.nodes import convert, topics
from dp_ros.nodes.crash import end_process
from dp_ros.nodes.health import Health
from dp_ros.nodes.observation import ObservationNode
from dp_ros.nodes.parameters import declare
from dp_ros.task import CartesianAction, load_task

WARM_UP_CHUNKS = 3
REPORT_PERIOD_S = 0.5
LOOK_PERIOD_S = 0.02
# The next anchor is never further ahead than the horizons; if it is, time has been set back.
CLOCK_SET_BACK_NS = 1_000_000_000


class InferenceNode(LifecycleNode):
    """Lifecycle: configure loads and warms up the policy, activate plans while it commands."""

    def __init__(self, observation: ObservationNode) -> None:
        super().__init__('inference')
        self._observation = observation
        self._checkpoint_folder = declare(self, 'checkpoint', '', 'folder of the checkpoint')
        self._task_file = declare(self, 'task', '', 'task description (YAML file)')
        self._device = declare(
            self, 'device', '', 'cpu, openvino, cuda, cuda:1 ...; empty: a GPU if there is one'
        )
        self._precision = declare(
            self, 'precision', 'float32', 'float32, tf32 or bf16: all steps but the last'
        )
        threads = declare(self, 'threads', 1, 'CPU threads of the denoiser', (1, 64))
        self._seed = declare(self, 'seed', 0, 'seed of the noise that chunks start from')
        joins = ', '.join(TRANSITIONS)
        self._transition = declare(
            self, 'transition', '', f'how a chunk takes over: {joins}; empty: as suits the policy'
        )
        self._confidence = declare(
            self, 'confidence', 0.99, 'probability that a chunk comes in time', (0.5, 0.9999)
        )
        self._wait = declare(self, 'wait', False, 'the arm stands while the policy thinks')
        self._added_ms = declare(
            self, 'added_latency_ms', 0.0, 'for experiments: sleep after denoising', (0, 5000)
        )
        self._deadline_ms = declare(
            self, 'deadline_ms', 0.0, 'leave denoising steps out to keep it; 0: never', (0, 5000)
        )
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
        # Whether its chunks are played, and since when a stream that it needs is in trouble.
        self._played = False
        self._blind_since: float | None = None
        self.create_timer(REPORT_PERIOD_S, self._report)
        self.create_timer(LOOK_PERIOD_S, self._mind_the_view)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the checkpoint, check it against the task, warm up."""
        try:
            self._task = load_task(self._task_file)
            loaded = checkpoint.load(Path(self._checkpoint_folder))
            loaded.require(self._task, self._task_file)
            transition = self._transition or loaded.policy.best_transition
            keep = GraphCache(paths.cache('graphs'), loaded.identity)
            self._engine = make_engine(
                loaded.policy, self._device, transition, self._deadline_ms, keep, self._precision
            )
        except (ValueError, RuntimeError, ImportError) as error:
            self.hopeless = str(error)
            self.get_logger().error(self.hopeless)
            self._report()
            return TransitionCallbackReturn.FAILURE
        self._planner = Planner(self._task, self._engine, self._seed)
        for _ in range(WARM_UP_CHUNKS):
            self._engine.warm_up()
        lead_ns = self._observation.lead_ns
        begin = stop_and_wait if self._wait else receding_horizon
        self._planning = AsynchronousPlanning(
            begin(self._task, lead_ns), self._planner.pins, self._confidence, lead_ns
        )
        cartesian = isinstance(self._task.action, CartesianAction)
        topic = topics.CARTESIAN_CHUNK if cartesian else topics.JOINT_CHUNK
        schedule = topics.CARTESIAN_SCHEDULE if cartesian else topics.JOINT_SCHEDULE
        self._chunks = topic.publisher(self)
        self._inputs = [
            self.create_subscription(t.type, t.name, listener, t.qos)
            for t, listener in ((topics.MODE, self._on_mode), (schedule, self._on_schedule))
        ]
        self.get_logger().info(f'policy {loaded.name}, identity {loaded.identity}, is warm')
        self._status = 'warm'
        self._values = {
            'identity': loaded.identity,
            'transition': transition,
            'device': self._engine.device,
            'precision': self._precision,
            'wait': self._wait,
            'added_latency_ms': self._added_ms,
        }
        self._report()
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the planning thread."""
        self._stopping = False
        self._worker = threading.Thread(target=self._plan_guarded, name='planning', daemon=True)
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
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
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
        values = dict(self._values)
        if values:
            values |= self._engine.statistics()
            with self._wake:
                values |= self._planning.statistics(self._now_ns())
        self._health.report('inference', level, self.hopeless or self._status, values)

    def _on_mode(self, message: String) -> None:
        with self._wake:
            commanding = message.data == Mode.POLICY.value
            if commanding and not self._commanding:
                self._planning.begin(self._now_ns())
                self._played, self._blind_since = False, None
            self._commanding = commanding
            self._wake.notify()

    def _on_schedule(self, message: Any) -> None:
        """What the executor has accepted."""
        action = self._task.action
        try:
            if isinstance(action, CartesianAction):
                ahead = messages.cartesian_chunk(message)
            else:
                ahead = messages.joint_chunk(message, action.components)
        except messages.MessageError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=5.0)
            return
        with self._wake:
            if self._commanding:
                self._planning.accepted(ahead, self._now_ns())
                self._played = True
                self._wake.notify()

    def _mind_the_view(self) -> None:
        """Withdraw the plan when no window can be had: the arm must not play it to its end."""
        if not self._commanding or not self._played or not self._observation.troubles():
            self._blind_since = None
            return
        now = time.monotonic()
        self._blind_since = self._blind_since or now
        if now - self._blind_since >= self._observation.blind_s:
            self._played = False
            self._chunks.publish(self._chunks.msg_type())  # without a point: withdrawn

    def _on_sample(self) -> None:
        # Waking the planning thread costs it the interpreter, so only when there is work.
        if self._commanding and self._now_ns() >= self._work_from_ns():
            self._notify()

    def _work_from_ns(self) -> int:
        """When samples of the next window begin to matter: a frame as soon as it is known."""
        ahead = self._task.horizons.observation - 1 if self._task.cameras else 0
        return self._planning.horizon.next_anchor_ns - ahead * self._task.period_ns

    def _notify(self) -> None:
        with self._wake:
            self._wake.notify()

    # The planning thread.

    def _plan_guarded(self) -> None:
        try:
            self._plan_forever()
        except BaseException as error:
            if self.context.ok():  # else it published while the process was ending
                end_process(self, 'planning failed', error)

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
            newest = self._observation.newest_anchor_ns()
            anchor = self._planning.anchor(newest, self._now_ns())
            if not self._commanding or anchor is None:
                self._wake.wait(timeout=0.1)
                return None
            return anchor

    def _mind_the_clock(self) -> None:
        horizons = self._task.horizons
        furthest = max(horizons.observation, horizons.action) * self._task.period_ns
        now_ns = self._now_ns()
        if self._planning.horizon.next_anchor_ns > now_ns + furthest + CLOCK_SET_BACK_NS:
            self._planning.begin(now_ns)

    def _look_ahead(self) -> None:
        """Encode what is already known of the next window, so that its last frames remain."""
        if not self._commanding:
            return
        for camera, frame in self._observation.settled(self._planning.horizon.next_anchor_ns):
            image = self._observation.image(camera, frame)
            if not isinstance(image, Refused):
                self._engine.encode(camera, frame.stamp_ns, image)

    def _plan(self, window: ObservationWindow, frames: Mapping[str, list[StampedImage]]) -> None:
        anchor = window.anchor_ns
        window_ms = (self._now_ns() - anchor) / 1e6
        with self._wake:
            ask = self._planning.ask(anchor, self._now_ns())
        begun = time.monotonic()
        waypoints = self._planner.waypoints(window, frames, ask.before, ask.delay_steps)
        inference_ms = (time.monotonic() - begun) * 1e3
        time.sleep(self._added_ms / 1e3)
        with self._wake:
            chunk = self._planning.answer(ask, waypoints, self._now_ns())
        if chunk is not None and self.context.ok():
            self._publish(chunk)
        values = {
            'anchor_ns': anchor,
            'splice_ns': chunk.splice_ns if chunk else 0,
            'window_ms': window_ms,
            'inference_ms': inference_ms,
            'delay_steps': ask.delay_steps,
            'committed': 'none' if ask.before is None else 'known',
            # By it a bag can be checked to give the window that this node had.
            'window': alignment.digest(window, frames),
        }
        level = DiagnosticStatus.WARN if chunk is None else DiagnosticStatus.OK
        text = _discarded(ask) if chunk is None else 'planned'
        self._health.report('inference/chunk', level, text, values)

    def _refuse(self, anchor: int, refused: Refused) -> None:
        with self._wake:
            self._planning.refused(anchor)
        self._health.report('inference/window', DiagnosticStatus.WARN, str(refused), {})

    def _publish(self, chunk: ActionChunk) -> None:
        if isinstance(self._task.action, CartesianAction):
            self._chunks.publish(convert.cartesian_chunk_message(chunk))
        else:
            names = self._task.action.components
            self._chunks.publish(convert.joint_chunk_message(chunk, names))

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _discarded(ask: Ask) -> str:
    if ask.knew is None:
        return 'too late: every action of the chunk is past'
    return f'too late: it outran the {ask.knew} committed actions that it goes on from'
