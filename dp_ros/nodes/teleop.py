"""The teleop node: what a person does with a device, as twists while the deadman is pressed."""

import time
from collections import deque
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.client import Client
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import Trigger

from dp_ros.core.deadman import Operator
from dp_ros.core.teleop import AXES, InputError, Reading
from dp_ros.nodes import convert, process, topics
from dp_ros.nodes.health import Health
from dp_ros.nodes.parameters import declare
from dp_ros.nodes.teleop_sources import Source, make_device, make_source
from dp_ros.task import load_task
from dp_ros.teleop_config import load_teleop

PERIOD_S = 0.02
REPORT_PERIOD_S = 0.5
# A topic that says nothing for so long has nobody who speaks.
SILENT_S = 1.0


class TeleopNode(LifecycleNode):
    """Lifecycle: configure reads the device file, activate takes the device.

    While the deadman is pressed a twist goes out at 50 Hz, when it ends one of standstill, and
    otherwise nothing: silence is what tells the executor that nobody commands.
    """

    def __init__(self) -> None:
        super().__init__('teleop')
        self._device_file = declare(self, 'device', '', 'device file (YAML)')
        self._task_file = declare(self, 'task', '', 'task description (YAML file)')
        declare(self, 'autostart', True, 'configure and activate at start')
        self._health = Health(self)
        self._source: Source | None = None
        self._fault = self._trouble = self.hopeless = ''
        self._told: tuple[float, bool, bool, bool, bool] | None = None
        # The rate of the twists is that of the arm's time, also where ROS time is simulated.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(PERIOD_S, self._tick, clock=steady)
        self.create_timer(REPORT_PERIOD_S, self._report, clock=steady)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the files and load the device's library; fails with a sentence."""
        try:
            task, self._settings = load_task(self._task_file), load_teleop(self._device_file)
            self._free = task.teleoperated_axes
            self._map = self._settings.twist_map(self._free, self._device_file)
            self._device = make_device(self._settings)
        except (ValueError, ImportError) as error:
            self.hopeless = str(error)
            self.get_logger().error(self.hopeless)
            self._report()
            return TransitionCallbackReturn.FAILURE
        self._twist_out = topics.TELEOP_TWIST.publisher(self)
        self._hold: Client[Any, Any] = self.create_client(Trigger, topics.HOLD_SERVICE)
        moved = [name for name, may in zip(AXES, self._free) if may]
        fixed = [name for name, may in zip(AXES, self._free) if not may]
        said = f'task {task.name} moves {" ".join(moved)}'
        self.get_logger().info(f'{said}; fixed: {" ".join(fixed)}' if fixed else said)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take the device. Its deadman must be seen released before it counts."""
        timeout_ns = round(self._settings.timeout_s * 1e9)
        self._operator = Operator(
            self._map, self._settings.slew, self._settings.input.buttons, timeout_ns, PERIOD_S
        )
        self._arrivals: deque[float] = deque(maxlen=1000)
        self._source = make_source(self, self._settings, self._device, self._hear)
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the arm and of the device."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Remove what configure made."""
        self.destroy_publisher(self._twist_out)
        self.destroy_client(self._hold)
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the arm and of the device."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Let go of the arm and of the device."""
        source, self._source = self._source, None
        if source is None:
            return
        source.close()
        self._operator.let_go()
        if self.context.ok():
            self._publish()

    def _hear(self, reading: Reading, stamp_ns: int) -> None:
        try:
            self._operator.hear(reading, stamp_ns, self._now_ns())
        except InputError as error:
            self._fault = self._trouble = str(error)
            self.get_logger().warning(self._fault, throttle_duration_sec=2.0)
        else:
            self._fault = ''
            self._arrivals.append(time.monotonic())

    def _tick(self) -> None:
        if self._source is None:
            return
        lost = self._source.poll()
        if lost and lost != self._fault:
            self.get_logger().error(lost)
        if lost:
            self._operator.let_go()
            self._fault = self._trouble = lost
        self._publish()
        if self._told != self._state():
            self._tell_speed()
            self._report()

    def _publish(self) -> None:
        twist = self._operator.tick(self._now_ns())
        if twist is not None:
            released = not self._operator.pressed and not self._operator.must_release
            self._twist_out.publish(convert.twist_message(twist.stamp_ns, twist.value, released))
            if self._operator.must_release:
                # The deadman was not let go: the input is lost, and no policy shall go on.
                self._hold.call_async(Trigger.Request())

    def _report(self) -> None:
        if self._source is None:
            level = DiagnosticStatus.ERROR if self.hopeless else DiagnosticStatus.STALE
            self._health.report('teleop', level, self.hopeless or 'not active', {})
            return
        operator, now_s = self._operator, time.monotonic()
        self._told = self._state()
        age_s = now_s - self._arrivals[-1] if self._arrivals else float('inf')
        values: dict[str, Any] = {
            'device': self._source.name,
            'pressed': operator.pressed,
            'rate_hz': sum(arrival > now_s - 1 for arrival in self._arrivals),
            'age_s': f'{age_s:.3f}',
            'speed_scale': operator.speed_scale,
            'speed_mps': f'{operator.speed_scale * self._settings.speed:.4g}',
            'moves': ' '.join(name for name, may in zip(AXES, self._free) if may),
            'last_trouble': self._trouble,
        }
        level, text = DiagnosticStatus.OK, 'commanding' if operator.pressed else 'ready'
        if self._fault:
            level, text = DiagnosticStatus.WARN, self._fault
        elif age_s > SILENT_S:
            level, text = DiagnosticStatus.WARN, f'{self._source.name}: silent'
        elif operator.must_release:
            level, text = DiagnosticStatus.WARN, 'let the deadman go once, then press it'
        self._health.report('teleop', level, text, values)

    def _tell_speed(self) -> None:
        scale = self._operator.speed_scale
        if self._told is not None and self._told[0] != scale:
            speed = scale * self._settings.speed
            self.get_logger().info(f'speed {scale:.0%}: {speed:.3g} m/s at full deflection')

    def _state(self) -> tuple[float, bool, bool, bool, bool]:
        """What is told at once when it changes."""
        operator, heard = self._operator, bool(self._arrivals)
        speed, pressed = operator.speed_scale, operator.pressed
        return speed, pressed, operator.must_release, heard, bool(self._fault)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Run the teleop process."""
    process.spin(lambda: [TeleopNode()])


if __name__ == '__main__':
    main()
