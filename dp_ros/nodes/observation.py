"""The observation node: streams in, windows by reference out; refusals on /diagnostics."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import JointState

from dp_ros.core.stamped import ObservationWindow, Sample
from dp_ros.core.window import Refused, StreamSpec, WindowBuilder
from dp_ros.nodes import convert, topics
from dp_ros.nodes.health import Health
from dp_ros.nodes.parameters import declare
from dp_ros.task import PoseStream, Task, load_task

REPORT_PERIOD_S = 0.5


class ObservationNode(LifecycleNode):
    """Composed with the inference node in one process: `window` is called, not subscribed to."""

    def __init__(self) -> None:
        super().__init__('observation')
        self._task_file = declare(self, 'task', '', 'task description (YAML file)')
        declare(self, 'autostart', True, 'configure and activate at start')
        self._health = Health(self)
        self._lock = threading.Lock()
        self._builder: WindowBuilder | None = None
        self._refusals: Counter[str] = Counter()
        self._last_refusal = ''
        self._malformed = 0
        self.hopeless = ''
        self._inputs: list[Any] = []
        self.on_sample: Callable[[], None] = lambda: None
        self.create_timer(REPORT_PERIOD_S, self._report)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the task description."""
        try:
            self._task = load_task(self._task_file)
        except ValueError as error:
            self.hopeless = str(error)
            self.get_logger().error(self.hopeless)
            return TransitionCallbackReturn.FAILURE
        self._builder = window_builder(self._task)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to every stream of the task."""
        for stream in self._task.observations:
            message = topics.TCP_POSE.type if isinstance(stream, PoseStream) else JointState
            callback = self._receiver(stream)
            self._inputs.append(
                self.create_subscription(message, stream.topic, callback, topics.SENSOR)
            )
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and forget."""
        while self._inputs:
            self.destroy_subscription(self._inputs.pop())
        with self._lock:
            self._buffers.clear()
        return TransitionCallbackReturn.SUCCESS

    def newest_anchor_ns(self) -> int | None:
        """The newest grid time that every stream covers."""
        with self._lock:
            return self._buffers.newest_anchor_ns()

    def window(self, anchor_ns: int) -> ObservationWindow | Refused:
        """The window ending at `anchor_ns`, or why there is none; refusals are counted."""
        with self._lock:
            window = self._buffers.window(anchor_ns, self._now_ns())
        if isinstance(window, Refused):
            self._refusals[f'{window.stream}_{window.reason.name.lower()}'] += 1
            self._last_refusal = str(window)
        return window

    @property
    def _buffers(self) -> WindowBuilder:
        if self._builder is None:
            raise RuntimeError('the observation node is not configured')
        return self._builder

    def _receiver(self, stream: Any) -> Callable[[Any], None]:
        latency_ns = round(stream.latency_s * 1e9)

        def sample(message: Any) -> Sample:
            if isinstance(stream, PoseStream):
                return convert.pose_sample(message, latency_ns)
            return convert.joint_sample(message, stream.components, latency_ns)

        def receive(message: Any) -> None:
            try:
                value = sample(message)
            except convert.MessageError as error:
                self._malformed += 1
                self._last_refusal = f'{stream.name}: {error}'
                return
            with self._lock:
                self._buffers.add(stream.name, value)
            self.on_sample()

        return receive

    def _report(self) -> None:
        if self._builder is None:
            return
        with self._lock:
            ages = self._builder.ages_ns(self._now_ns())
        missing = [name for name, age in ages.items() if age is None]
        values: dict[str, Any] = {
            **{f'{k}_age_ms': 'none' if v is None else f'{v / 1e6:.1f}' for k, v in ages.items()},
            **{f'refused_{name}': count for name, count in self._refusals.items()},
            'malformed': self._malformed,
            'last_refusal': self._last_refusal,
        }
        level = DiagnosticStatus.WARN if missing else DiagnosticStatus.OK
        text = f'no sample yet of: {", ".join(missing)}' if missing else 'all streams arrive'
        self._health.report('observation', level, text, values)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def window_builder(task: Task) -> WindowBuilder:
    """Empty buffers for the streams of `task`."""
    specs = {
        stream.name: StreamSpec(isinstance(stream, PoseStream), round(stream.tolerance_s * 1e9))
        for stream in task.observations
    }
    return WindowBuilder(specs, task.period_ns, task.horizons.observation)
