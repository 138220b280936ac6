"""The observation node: streams in, windows by reference out; refusals on /diagnostics."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Time as TimeMessage
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.time import Time

from dp_ros.core.refusal import Refusal, Refused
from dp_ros.core.stamped import ObservationWindow, Sample
from dp_ros.core.window import WindowBuilder
from dp_ros.data import alignment
from dp_ros.data.alignment import Alignment, StampedImage
from dp_ros.data.pictures import Pixels
from dp_ros.data.stream_inputs import StreamInput
from dp_ros.nodes import topics
from dp_ros.nodes.clocks import ClockReport
from dp_ros.nodes.filters import Cache, Subscriber
from dp_ros.nodes.health import Health
from dp_ros.nodes.parameters import declare
from dp_ros.robot import Robot, load_robot
from dp_ros.task import Task, load_task

REPORT_PERIOD_S = 0.5
RATE_MESSAGES = 16  # a stream's rate is that of so many messages
ALL_TIME = [Time.from_msg(TimeMessage(sec=seconds)) for seconds in (0, 2**31 - 1)]


class ObservationNode(LifecycleNode):
    """Composed with the inference node in one process: `window` is called, not subscribed to."""

    def __init__(self) -> None:
        super().__init__('observation')
        self._task_file = declare(self, 'task', '', 'task description (YAML file)')
        self._robot_file = declare(
            self, 'robot', '', 'robot file (YAML); may be empty where the task has no cameras'
        )
        declare(self, 'autostart', True, 'configure and activate at start')
        self._health = Health(self)
        self._clock_report = ClockReport(self, self._now_ns)
        self._lock = threading.Lock()
        self._alignment: Alignment | None = None
        # How much sooner than due the robot's executor sends an action; known once configured.
        self.lead_ns = 0
        self.blind_s = Robot.model_fields['blind_s'].default
        self._refusals: Counter[str] = Counter()
        self._last_refusal = ''
        self._clock_jumps = 0
        self.hopeless = ''
        self._caches: dict[str, Any] = {}
        self._subscribers: list[Any] = []
        self.on_sample: Callable[[], None] = lambda: None
        self.create_timer(REPORT_PERIOD_S, self._report)
        backwards = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
        # The handle ends the watch when it is dropped.
        self._jump_handle = self.get_clock().create_jump_callback(
            backwards, post_callback=self._on_clock_jump
        )

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the task description and the robot file."""
        try:
            task = load_task(self._task_file)
            robot = _robot_for(task, self._robot_file)
        except ValueError as error:
            self.hopeless = str(error)
            self.get_logger().error(self.hopeless)
            return TransitionCallbackReturn.FAILURE
        self._alignment = Alignment(task, robot)
        if robot is not None:
            self.lead_ns, self.blind_s = robot.lead_ns, robot.blind_s
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to every stream of the task."""
        for stream in self._aligned.inputs:
            kind = topics.message_type(stream.type)
            subscriber = Subscriber(self, kind, stream.topic, qos_profile=topics.SENSOR)
            cache = Cache(subscriber, RATE_MESSAGES)
            cache.registerCallback(self._receive, stream)
            self._subscribers.append(subscriber)
            self._caches[stream.name] = cache
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and forget."""
        while self._subscribers:
            self.destroy_subscription(self._subscribers.pop().sub)
        self._caches.clear()
        with self._lock:
            self._buffers.clear()
        return TransitionCallbackReturn.SUCCESS

    # What the inference node asks for, in its planning thread.

    def newest_anchor_ns(self) -> int | None:
        """The newest grid time that every stream covers."""
        with self._lock:
            return self._buffers.newest_anchor_ns()

    def window(self, anchor_ns: int) -> ObservationWindow | Refused:
        """The window ending at `anchor_ns`, or why there is none; refusals are counted."""
        with self._lock:
            window = self._buffers.window(anchor_ns, self._now_ns())
        if isinstance(window, Refused):
            self._count(window)
        return window

    def troubles(self) -> list[Refused]:
        """What is wrong with the streams now."""
        with self._lock:
            return self._buffers.troubles(self._now_ns())

    def settled(self, anchor_ns: int) -> list[tuple[str, Sample]]:
        """(camera, frame): frames that the window ending at `anchor_ns` will hold for certain."""
        with self._lock:
            return self._buffers.settled(anchor_ns)

    def image(self, camera: str, frame: Sample) -> Pixels | Refused:
        """A frame as the policy sees it, made once; or why it cannot be had, which is counted."""
        seen = alignment.prepared(camera, frame)
        if isinstance(seen, Refused):
            self._count(seen)
        return seen

    def images(self, window: ObservationWindow) -> dict[str, list[StampedImage]] | Refused:
        """Camera -> its T_o (capture time [ns], frame as the policy sees it), or why not."""
        seen = alignment.images(window)
        if isinstance(seen, Refused):
            self._count(seen)
        return seen

    # ROS callbacks, in the main thread.

    def _receive(self, message: Any, stream: StreamInput) -> None:
        self._clock_report.note(stream.topic, message)
        with self._lock:
            sound = self._aligned.receive(stream, message, self._now_ns())
        if sound:
            self.on_sample()

    def _on_clock_jump(self, jump: Any) -> None:
        self._clock_jumps += 1
        with self._lock:
            if self._alignment is not None:
                self._alignment.builder.clear('ROS time itself')

    def _report(self) -> None:
        if self._alignment is None:
            return
        now_ns = self._now_ns()
        with self._lock:
            ages, counts = self._buffers.ages_ns(now_ns), self._buffers.counts()
            troubles = self._buffers.troubles(now_ns)
            malformed = dict(self._aligned.malformed)
            refusals, last_refusal = dict(self._refusals), self._last_refusal
        values: dict[str, Any] = {}
        for name, age in ages.items():
            values[f'{name}_age_ms'] = 'none' if age is None else f'{age / 1e6:.1f}'
            values[f'{name}_rate_hz'] = f'{self._rate_hz(name):.1f}'
            values |= {f'{name}_{what}': count for what, count in counts[name].items()}
            values[f'{name}_malformed'] = malformed.get(name, 0)
        values |= {f'refused_{name}': count for name, count in refusals.items()}
        values |= {'clock_jumps': self._clock_jumps, 'last_refusal': last_refusal}
        waiting = all(trouble.reason is Refusal.MISSING for trouble in troubles)
        level = DiagnosticStatus.WARN if waiting else DiagnosticStatus.ERROR
        if not troubles:
            level = DiagnosticStatus.OK
        text = '; '.join(map(str, troubles)) or 'all streams arrive'
        self._health.report('observation', level, text, values)

    def _rate_hz(self, name: str) -> float:
        """Messages a second by their stamps, over the last few; 0 where there are not two."""
        held = self._caches[name].getInterval(*ALL_TIME) if name in self._caches else []
        stamps = [Time.from_msg(message.header.stamp).nanoseconds for message in held]
        span = max(stamps) - min(stamps) if stamps else 0
        return (len(stamps) - 1) * 1e9 / span if span else 0.0

    def _count(self, refused: Refused) -> None:
        with self._lock:
            self._refusals[f'{refused.stream}_{refused.reason.name.lower()}'] += 1
            self._last_refusal = str(refused)

    @property
    def _aligned(self) -> Alignment:
        if self._alignment is None:
            raise RuntimeError('the observation node is not configured')
        return self._alignment

    @property
    def _buffers(self) -> WindowBuilder:
        return self._aligned.builder

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _robot_for(task: Task, robot_file: str) -> Robot | None:
    """The robot file, checked against the cameras of `task`; raises ValueError."""
    if not robot_file and task.cameras:
        names = [camera.name for camera in task.cameras]
        raise ValueError(
            f'task {task.name!r} sees the cameras {names}: give the parameter robot, the robot '
            f'file that describes them'
        )
    if not robot_file:
        return None
    robot = load_robot(robot_file)
    robot.require_cameras(task, robot_file)
    return robot
