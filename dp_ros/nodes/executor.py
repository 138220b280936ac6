"""The executor: the only writer to the arm. Chunks in, safe setpoints out, at a fixed rate."""

import os
import signal
import traceback
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.event_handler import QoSLivelinessChangedInfo, SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from dp_ros.core.chunk import Verdict
from dp_ros.core.mode import Mode, ModeState
from dp_ros.core.robot import Command
from dp_ros.core.stamped import ActionChunk
from dp_ros.core.stream import CommandStream
from dp_ros.data import messages
from dp_ros.hardware.arm import Arm, ArmError
from dp_ros.hardware.drivers import make_arm
from dp_ros.hardware.dry import DryArm
from dp_ros.nodes import convert, process, topics
from dp_ros.nodes.arm_loop import ArmLoop, Offer, Tick
from dp_ros.nodes.dry_arm import recorded_arm
from dp_ros.nodes.health import Health
from dp_ros.nodes.parameters import declare
from dp_ros.robot import Robot, load_robot
from dp_ros.task import CartesianAction, load_task

REPORT_PERIOD_S = 0.5
LEVELS = {
    Mode.IDLE: DiagnosticStatus.OK,
    Mode.POLICY: DiagnosticStatus.OK,
    Mode.TELEOPERATED: DiagnosticStatus.OK,
    Mode.HOLDING: DiagnosticStatus.WARN,
    Mode.STOPPED: DiagnosticStatus.ERROR,
    Mode.FAULT: DiagnosticStatus.ERROR,
}


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
        declare(self, 'autostart', True, 'configure and activate at start')
        self._health = Health(self)
        self._dry: DryArm | None = None
        self._loop: ArmLoop | None = None
        self._mode = ModeState()
        self._fault = ''
        self.hopeless = ''
        self.create_timer(REPORT_PERIOD_S, self._report)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the files and connect the arm; fails with a sentence, and can be tried again."""
        try:
            self._task, self._robot = load_task(self._task_file), self._load_robot()
            self._arm = self._make_arm()
            self._arm.connect()
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
        stream = CommandStream(self._robot.stream(self._task))
        self._ticks, self._every = 0, max(1, round(self._robot.rate_hz / self._state_rate))
        self._loop = ArmLoop(
            self._arm,
            stream,
            self._now_ns,
            self._on_tick,
            self._on_offer,
            self._on_crash,
            self._speed if self._dry_run else 1.0,
        )
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

    def _failed(self, fault: str) -> TransitionCallbackReturn:
        if fault != self._fault:
            self.get_logger().error(fault)
        self._fault = fault
        self._report()
        return TransitionCallbackReturn.FAILURE

    def _load_robot(self) -> Robot:
        changes: dict[str, Any] = {}
        robot = load_robot(self._robot_file)
        if self._address:
            changes['arm'] = robot.arm.model_copy(update={'address': self._address})
        if self._rate:
            changes['rate_hz'] = self._rate
        return robot.model_copy(update=changes)

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
            chunk.type, chunk.name, self._on_chunk, chunk.qos, event_callbacks=events
        )
        twists = topics.TELEOP_TWIST
        operator = self.create_subscription(twists.type, twists.name, self._on_twist, twists.qos)
        services = [
            self.create_service(SetBool, topics.ARM_SERVICE, self._on_arm),
            self.create_service(Trigger, topics.HOLD_SERVICE, self._on_hold),
        ]
        self._entities = [
            *(lambda p=p: self.destroy_publisher(p) for p in publishers),
            *(lambda s=s: self.destroy_service(s) for s in services),
            lambda: self.destroy_subscription(subscription),
            lambda: self.destroy_subscription(operator),
        ]

    # ROS callbacks, in the main thread.

    def _on_chunk(self, message: Any, info: Any) -> None:
        if self._loop is None:
            return
        transport_ms = (info['received_timestamp'] - info['source_timestamp']) / 1e6
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
            self._loop.teleoperate(messages.twist_sample(message))
        except messages.MessageError as error:
            # Not followed: to the arm it is silence.
            self.get_logger().warning(str(error), throttle_duration_sec=5.0)

    def _on_liveliness(self, event: QoSLivelinessChangedInfo) -> None:
        # Whoever else may publish chunks: the one that died may be the one that was planning.
        if self._loop is not None and event.alive_count_change < 0:
            self._loop.policy_lost(f'no sign of life for {topics.POLICY_LEASE_S * 1e3:.0f} ms')

    def _on_arm(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._loop is None:
            response.success, response.message = False, 'the executor is not active'
        else:
            answer = self._loop.arm() if request.data else self._loop.release()
            response.success, response.message = answer
        return response

    def _on_hold(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._loop is None:
            response.success, response.message = False, 'the executor is not active'
        else:
            response.success, response.message = self._loop.hold()
        return response

    def _report(self) -> None:
        """Periodic health on /diagnostics."""
        loop = self._loop
        if loop is None:
            level = DiagnosticStatus.ERROR if self._fault else DiagnosticStatus.STALE
            self._health.report('executor', level, self._fault or 'not active', {})
            return
        stream = loop.stream
        values: dict[str, Any] = {
            'mode': stream.mode.mode.value,
            'driver': self._robot.arm.driver,
            'address': self._robot.arm.address,
            'policy_ticks': stream.policy_ticks,
            'idle_ticks': stream.idle_ticks,
            'protective_stops': loop.protective_stops,
            **loop.statistics(),
            **{f'twists_{name}': count for name, count in stream.twists.items()},
            'twist_refusal': stream.twist_refusal,
            **{f'chunks_{name}': count for name, count in stream.verdicts.items()},
            **{f'limited_{name}': count for name, count in stream.limited.items()},
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
        if self._measured_out:
            joints, pose, wrench = self._measured_out
            names, positions = self._robot.arm.joints, state.joint_positions
            joints.publish(convert.joint_message(now, names, positions, state.joint_velocities))
            pose.publish(convert.pose_message(now, state.tcp_pose))
            wrench.publish(convert.wrench_message(now, state.tcp_wrench))
        if tick.command is not None:
            self._command_out.publish(self._command_message(now, tick.command))

    def _on_offer(self, offer: Offer) -> None:
        if self._loop is not None and offer.verdict is Verdict.ACCEPTED:
            ahead = self._loop.stream.ahead(offer.received_ns)
            if ahead is not None:
                self._schedule_out.publish(self._schedule_message(ahead))
        late = max(0, offer.received_ns - offer.chunk.splice_ns) / 1e6
        values = {
            'splice_ns': offer.chunk.splice_ns,
            'transport_ms': offer.transport_ms,
            'verdict': offer.verdict.name.lower(),
            'late_ms': late,
        }
        self._health.report('executor/chunk', DiagnosticStatus.OK, offer.verdict.value, values)

    def _on_crash(self, error: BaseException) -> None:
        """The control thread failed: end the process, so that the controller's watchdog acts."""
        trace = ''.join(traceback.format_exception(error))
        self.get_logger().fatal(f'the control loop failed, the executor ends:\n{trace}')
        os.kill(os.getpid(), signal.SIGINT)

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
    process.spin(lambda: [ExecutorNode()])


if __name__ == '__main__':
    main()
