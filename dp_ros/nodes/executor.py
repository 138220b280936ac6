"""The executor: the only writer to the arm. Chunks in, safe setpoints out, at a fixed rate."""

import faulthandler
import os
import sys
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String

from dp_ros.core.chunk import Verdict
from dp_ros.core.mode import Event, ModeState
from dp_ros.core.robot import ArmStatus, Command
from dp_ros.core.stamped import ActionChunk
from dp_ros.core.stream import CommandStream
from dp_ros.data import messages
from dp_ros.hardware.arm import Arm, ArmError, DriverBroken
from dp_ros.hardware.drivers import make_arm, make_kinematics
from dp_ros.hardware.dry import DryArm
from dp_ros.nodes import convert, executor_report, process, realtime, topics
from dp_ros.nodes.arm_loop import ArmLoop, Offer, Tick
from dp_ros.nodes.clocks import ClockCheck
from dp_ros.nodes.crash import end_process
from dp_ros.nodes.driver_watch import EXIT_BROKEN, DriverWatch
from dp_ros.nodes.dry_arm import recorded_arm
from dp_ros.nodes.executor_report import LEVELS
from dp_ros.nodes.executor_services import ExecutorServices
from dp_ros.nodes.garbage import FrozenGarbage
from dp_ros.nodes.health import Health
from dp_ros.nodes.parameters import declare
from dp_ros.nodes.releases import (
    QoSLivelinessChangedInfo,
    SubscriptionEventCallbacks,
    with_transport,
)
from dp_ros.robot import ArmSettings, Robot, load_robot
from dp_ros.task import CartesianAction, load_task
from dp_ros.yamlfile import parse

REPORT_PERIOD_S = 0.5
COLLECT_PERIOD_S = 10.0


class ExecutorNode(LifecycleNode):
    """Lifecycle: configure connects the arm, activate starts the loop, `arm` lets it move."""

    def __init__(self) -> None:
        super().__init__('executor')
        self._task_file = declare(self, 'task', '', 'task description (YAML file)')
        self._robot_file = declare(self, 'robot', '', 'robot file (YAML)')
        self._address = declare(self, 'address', '', "address of the arm; empty: the robot file's")
        self._rate = declare(self, 'rate_hz', 0, "125 or 500; 0: the robot file's", (0, 500))
        self._state_rate = declare(
            self, 'state_rate_hz', 60, 'rate at which state and command are published', (1, 500)
        )
        self._dry_run = declare(
            self, 'dry_run', False, 'move nothing; the state of the arm comes from a played bag'
        )
        self._speed = declare(self, 'speed', 1.0, 'of a played bag', (0.05, 20.0))
        self._lookahead = declare(
            self, 'lookahead_s', 0.0, "of the servo; 0: the robot file's", (0.0, 0.2)
        )
        self._gain = declare(self, 'gain', 0.0, "of the servo; 0: the robot file's", (0.0, 2000.0))
        choices = ', '.join(realtime.CHOICES)
        self._realtime = declare(self, 'realtime', 'auto', f'SCHED_FIFO and mlockall: {choices}')
        self._priority = declare(self, 'priority', 20, 'of SCHED_FIFO', (1, 98))
        self._freeze = declare(self, 'freeze_garbage', True, 'collect by a timer, not at random')
        declare(self, 'autostart', True, 'configure and activate at start')
        self._garbage = FrozenGarbage()
        self._granted = realtime.Granted()
        self._health = Health(self)
        self._dry: DryArm | None = None
        self._loop: ArmLoop | None = None
        self._mode = ModeState()
        self._fault = ''
        self.hopeless = ''
        self.create_timer(REPORT_PERIOD_S, self._report)
        self.create_timer(COLLECT_PERIOD_S, self._garbage.collect)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the files and connect the arm; fails with a sentence, and can be tried again."""
        try:
            self._task, self._robot = load_task(self._task_file), self._load_robot()
            self._ask_for_realtime()
            self._arm = self._connected_arm()
        except ValueError as error:
            self.hopeless = str(error)
            return self._failed(self.hopeless)
        except ArmError as error:
            return self._failed(str(error))
        self._fault = ''
        self._make_interfaces()
        where = 'a played bag' if self._dry_run else self._robot.arm.address
        self.get_logger().info(f'connected to the arm at {where}')
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the control loop: the arm is read and its state published; nothing is sent yet."""
        if self._freeze:
            self._garbage.freeze()
        stream = CommandStream(self._robot.stream(self._task, make_kinematics(self._robot)))
        self._ticks, self._every = 0, max(1, round(self._robot.rate_hz / self._state_rate))
        self._loop = ArmLoop(
            self._arm,
            stream,
            self._now_ns,
            self._on_tick,
            self._on_offer,
            self._on_crash,
            DriverWatch(self._on_stuck, lambda text: self.get_logger().fatal(text)),
            lambda text: self.get_logger().warning(text),
            self._speed if self._dry_run else 1.0,
        )
        if self._granted.fifo:
            realtime.put_first(self._loop.thread_id, self._priority + 1)
        self._announce(stream.mode)
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Brake, end the loop and let go of the arm; configure connects it anew."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Remove what configure made."""
        for entity in self._entities:
            entity()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Brake and let go of the arm in bounded time, whatever state its controller is in."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()
        self._garbage.thaw()

    def _failed(self, fault: str) -> TransitionCallbackReturn:
        if fault != self._fault:
            self.get_logger().error(fault)
        self._fault = fault
        self._report()
        return TransitionCallbackReturn.FAILURE

    def _load_robot(self) -> Robot:
        robot = load_robot(self._robot_file)
        given = {'address': self._address, 'lookahead_s': self._lookahead, 'gain': self._gain}
        arm = robot.arm.model_dump() | {name: value for name, value in given.items() if value}
        changes: dict[str, Any] = {'arm': parse(ArmSettings, arm, 'parameters of the executor')}
        if self._rate:
            changes['rate_hz'] = self._rate
        return robot.model_copy(update=changes)

    def _ask_for_realtime(self) -> None:
        """Raises ValueError where it is required and refused."""
        if self._dry_run:
            return
        before, self._granted = self._granted, realtime.request(self._realtime, self._priority)
        refused = '; '.join(self._granted.refused)
        if self._realtime == 'require' and refused:
            raise ValueError(f'realtime is required; {refused}')
        if self._granted != before:
            self.get_logger().info(f'real time: {self._granted.text}')
            for sentence in self._granted.refused:
                self.get_logger().info(sentence)

    def _connected_arm(self) -> Arm:
        arm = self._make_arm()
        try:
            arm.connect()
        except ArmError:
            arm.close()  # it may have got half way, and the next try makes another one
            raise
        return arm

    def _make_arm(self) -> Arm:
        if not self._dry_run:
            return make_arm(self._robot)
        # Made once: it must have heard of the recorded arm before it can be connected.
        self._dry = self._dry or recorded_arm(self, self._robot.arm.joints)
        return self._dry

    def _make_interfaces(self) -> None:
        self._cartesian = isinstance(self._task.action, CartesianAction)
        chunk = topics.CARTESIAN_CHUNK if self._cartesian else topics.JOINT_CHUNK
        schedule = topics.CARTESIAN_SCHEDULE if self._cartesian else topics.JOINT_SCHEDULE
        command = topics.CARTESIAN_COMMAND if self._cartesian else topics.JOINT_COMMAND
        # In a dry run the bag says how the arm stands.
        said = () if self._dry_run else (topics.JOINT_STATES, topics.TCP_POSE, topics.TCP_WRENCH)
        self._measured_out = [topic.publisher(self) for topic in said]
        self._schedule_out = schedule.publisher(self)
        self._command_out = command.publisher(self)
        self._mode_out = topics.MODE.publisher(self)
        publishers = [*self._measured_out, self._schedule_out, self._command_out, self._mode_out]
        events = SubscriptionEventCallbacks(liveliness=self._on_liveliness)
        subscription = self.create_subscription(
            chunk.type,
            chunk.name,
            with_transport(self._on_chunk),
            chunk.qos,
            event_callbacks=events,
        )
        twists = topics.TELEOP_TWIST
        operator = self.create_subscription(twists.type, twists.name, self._on_twist, twists.qos)
        services = ExecutorServices(self, lambda: self._loop)
        clocks = ClockCheck(
            self, self._health, self._robot.clock_tolerance_ns, self._now_ns, self._on_clocks
        )
        self._entities: list[Callable[[], object]] = [
            *(lambda p=p: self.destroy_publisher(p) for p in publishers),
            services.destroy,
            clocks.destroy,
            lambda: self.destroy_subscription(subscription),
            lambda: self.destroy_subscription(operator),
        ]

    # ROS callbacks, in the main thread.

    def _on_chunk(self, message: Any, transport_ms: float) -> None:
        if self._loop is None:
            return
        if not message.points:
            self._loop.policy_blind()
            return
        try:
            if self._cartesian:
                chunk = messages.cartesian_chunk(message)
            else:
                chunk = messages.joint_chunk(message, self._robot.arm.joints)
        except messages.MessageError as error:
            self._loop.refuse(str(error))
        else:
            self._loop.offer(chunk, transport_ms)

    def _on_twist(self, message: Any) -> None:
        if self._loop is None:
            return
        try:
            self._loop.teleoperate(messages.twist_sample(message), messages.releases(message))
        except messages.MessageError as error:
            # Not followed: to the arm it is silence.
            self.get_logger().warning(str(error), throttle_duration_sec=5.0)

    def _on_liveliness(self, event: QoSLivelinessChangedInfo) -> None:
        # Whoever else may publish chunks: the one that died may be the one that was planning.
        if self._loop is None:
            return
        if event.alive_count_change < 0:
            self._loop.policy_lost(f'no sign of life for {topics.POLICY_LEASE_S * 1e3:.0f} ms')
        elif event.alive_count_change > 0:
            self._loop.policy_found()

    def _on_clocks(self, fault: str) -> None:
        if self._loop is not None:
            self._loop.clocks_differ(fault)

    def _report(self) -> None:
        """Periodic health on /diagnostics."""
        loop = self._loop
        if loop is None:
            level = DiagnosticStatus.ERROR if self._fault else DiagnosticStatus.STALE
            self._health.report('executor', level, self._fault or 'not active', {})
            return
        stream = loop.stream
        values: dict[str, Any] = {
            **executor_report.values(loop),
            'driver': self._robot.arm.driver,
            'address': self._robot.arm.address,
            'realtime': self._granted.text,
            'garbage_collected': self._garbage.collected,
            'garbage_ms_max': self._garbage.worst_s * 1e3,
        }
        self._health.report('executor', LEVELS[stream.mode.mode], stream.mode.reason, values)

    # Called by the control thread; publishers may be used from any thread.

    def _on_tick(self, tick: Tick) -> None:
        if not self.context.ok():
            return
        if tick.mode != self._mode:
            self._announce(tick.mode)
        # rclpy spends a millisecond on each message it receives: subscribers get what they need.
        self._ticks += 1
        if self._ticks % self._every:
            return
        state, now = tick.state, tick.now_ns
        # On a lost link the state is an old one, and silence says so: a stamp of now would not.
        if self._measured_out and state.status is not ArmStatus.LINK_LOST:
            joints, pose, wrench = self._measured_out
            names, positions = self._robot.arm.joints, state.joint_positions
            joints.publish(convert.joint_message(now, names, positions, state.joint_velocities))
            pose.publish(convert.pose_message(now, state.tcp_pose))
            wrench.publish(convert.wrench_message(now, state.tcp_wrench))
        if tick.command is not None:
            self._command_out.publish(self._command_message(now, tick.command))

    def _on_offer(self, offer: Offer) -> None:
        loop = self._loop  # the main thread may take it away
        if loop is not None and offer.verdict is Verdict.ACCEPTED:
            ahead = loop.stream.ahead(offer.received_ns)
            if ahead is not None:
                self._schedule_out.publish(self._schedule_message(ahead))
        sent_ns = offer.chunk.splice_ns - self._robot.lead_ns
        late = max(0, offer.received_ns - sent_ns) / 1e6
        values = {
            'splice_ns': offer.chunk.splice_ns,
            'transport_ms': offer.transport_ms,
            'verdict': offer.verdict.name.lower(),
            'late_ms': late,
        }
        self._health.report('executor/chunk', DiagnosticStatus.OK, offer.verdict.value, values)

    def _on_crash(self, error: BaseException) -> None:
        """The control thread failed: end the process, so that the controller's watchdog acts."""
        if isinstance(error, DriverBroken):
            # No farewell either: nothing of the library may be called.
            self.get_logger().fatal(f'{error}; the executor ends, to be started anew')
            sys.stderr.flush()
            os._exit(EXIT_BROKEN)
        end_process(self, 'the control loop failed', error)

    def _on_stuck(self, reason: str) -> None:
        """The control thread hangs in the driver: this is told by the thread that watches it."""
        self._announce(ModeState().after(Event.LINK_LOST, reason))

    def _announce(self, mode: ModeState) -> None:
        self._mode = mode
        self._mode_out.publish(String(data=mode.mode.value))
        # rclpy ties a severity to the line that logs it.
        if LEVELS[mode.mode] == DiagnosticStatus.OK:
            self.get_logger().info(f'{mode.mode.value}: {mode.reason}')
        else:
            self.get_logger().warning(f'{mode.mode.value}: {mode.reason}')
        self._health.report(
            'executor/mode', LEVELS[mode.mode], mode.reason, {'mode': mode.mode.value}
        )

    def _command_message(self, now_ns: int, command: Command) -> Any:
        if self._cartesian:
            return convert.pose_message(now_ns, command.values)
        return convert.joint_message(now_ns, self._robot.arm.joints, command.values)

    def _schedule_message(self, chunk: ActionChunk) -> Any:
        if self._cartesian:
            return convert.cartesian_chunk_message(chunk)
        return convert.joint_chunk_message(chunk, self._robot.arm.joints)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Run the executor process."""
    # A crash inside the arm's library is named in the log by the Python line that called it.
    faulthandler.enable()
    process.spin(lambda: [ExecutorNode()])


if __name__ == '__main__':
    main()
