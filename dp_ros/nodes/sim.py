"""The simulated cell as a process: physics and a UR controller peer, and the pose of the T.

The arm is reached through the controller's ports alone, as a real one; this node only publishes
what a real cell's tracker would, shows the scene to the cameras on a port of its own, and puts the
world back to a start.
"""

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger

from dp_ros.core.rotations import quaternion_from_rotation_vector
from dp_ros.nodes import convert, process, topics
from dp_ros.nodes.health import Health
from dp_ros.nodes.parameters import declare
from dp_ros.sim import pusht, scene_feed
from dp_ros.sim.cell import Cell
from dp_ros.sim.ur_controller import UNLOCK_AFTER_S, URController
from dp_ros.sim.ur_ports import AddressInUse

REPORT_PERIOD_S = 0.5
ANSWER_TIMEOUT_S = 2.0


class SimNode(LifecycleNode):
    """Lifecycle: configure builds the world and takes the ports, activate lets time run."""

    def __init__(self) -> None:
        super().__init__('sim')
        self._address = declare(self, 'address', '127.0.0.2', 'loopback address of the controller')
        self._series = declare(self, 'series', 'e-Series', 'e-Series (500 Hz) or CB3 (125 Hz)')
        self._pose_rate = declare(self, 'pose_rate_hz', 60, 'rate of /block_pose', (1, 500))
        self._with_clock = declare(self, 'publish_clock', False, 'publish the cell time as /clock')
        self._unlock_after = declare(
            self,
            'unlock_after_s',
            UNLOCK_AFTER_S,
            'a protective stop is not unlocked sooner [s]',
            (0.0, 60.0),
        )
        declare(self, 'seed', 0, 'episode that /sim/reset starts', read_only=False)
        declare(self, 'autostart', True, 'configure and activate at start')
        self._health = Health(self)
        self._pose_out = topics.BLOCK_POSE.publisher(self)
        self._clock_out = self.create_publisher(Clock, '/clock', 10) if self._with_clock else None
        self.create_service(Trigger, topics.RESET_SERVICE, self._on_reset)
        for name in topics.SIM_EVENTS:
            event = partial(self._on_event, name)
            self.create_service(Trigger, topics.sim_event(name), event)
        self.create_timer(REPORT_PERIOD_S, self._report)
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._error = ''
        self.hopeless = ''

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build the world and listen on the controller's ports; fails with a sentence."""
        self._error = ''
        self._ready.clear()
        self._running = threading.Event()
        self._thread = threading.Thread(target=self._run, name='world', daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error:
            self.hopeless = self._error
            self.get_logger().error(self._error)
            self._thread = None
            return TransitionCallbackReturn.FAILURE
        self.get_logger().info(f'a {self._series} controller answers at {self._address}')
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let time run."""
        self._running.set()
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop time; the controller falls silent."""
        self._running.clear()
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the ports."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """End the world."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._running.set()
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(timeout=2.0)

    # The world's thread: physics, controller and sockets share one event loop.

    def _run(self) -> None:
        try:
            asyncio.run(self._world())
        except (AddressInUse, OSError, ValueError) as error:
            self._error = str(error)
            self._ready.set()

    async def _world(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._cell = Cell()
        self._cell.reset(pusht.sample_start(np.random.default_rng(self._seed())))
        self._controller = URController(
            _ObservedPlant(self),
            self._address,
            self._series,
            unlock_after_s=self._unlock_after,
        )
        self._every = max(1, round(self._controller.control_hz / self._pose_rate))
        feed = await scene_feed.serve(self._address, self._scene)
        try:
            await self._controller.start()
            self._ready.set()
            while not self._running.is_set() and not self._stop.is_set():
                await asyncio.sleep(0.01)
            self._begun = time.monotonic()
            self._first_tick = self._controller.ticks
            await self._controller.run(self._stop)
        finally:
            feed.close()
            await self._controller.close()

    def advance(self, joint_setpoint: Any, duration_s: float) -> None:
        """One control period of the plant, and what a tracker would publish after it."""
        self._cell.advance(joint_setpoint, duration_s)
        ticks = self._controller.ticks
        if not self.context.ok():
            return
        if self._clock_out is not None:
            elapsed_ns = round(ticks * self._controller.period_s * 1e9)
            self._clock_out.publish(Clock(clock=convert.time_message(elapsed_ns)))
        if ticks % self._every == 0:
            x, y, yaw = self._cell.block_pose
            turn = quaternion_from_rotation_vector([0, 0, yaw])
            pose = np.array([x, y, 0.0, *turn])
            self._pose_out.publish(convert.pose_message(self._now_ns(), pose))

    def _scene(self) -> scene_feed.Scene:
        return scene_feed.Scene(self._now_ns(), self._cell.qpos)

    async def _reset(self, seed: int) -> None:
        self._cell.reset(pusht.sample_start(np.random.default_rng(seed)))
        self._controller.jump()

    async def _event(self, name: str) -> None:
        getattr(self._controller, name)()

    # ROS callbacks, in the main thread.

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._thread is None:
            response.success, response.message = False, 'the cell is not configured'
            return response
        seed = self._seed()
        return self._done(self._reset(seed), f'start of episode {seed}', response)

    def _on_event(
        self, name: str, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        if self._thread is None:
            response.success, response.message = False, 'the cell is not configured'
            return response
        return self._done(self._event(name), name.replace('_', ' '), response)

    def _done(
        self, action: Coroutine[Any, Any, None], what: str, response: Trigger.Response
    ) -> Trigger.Response:
        """Let the world's thread do it."""
        future = asyncio.run_coroutine_threadsafe(action, self._loop)
        try:
            future.result(ANSWER_TIMEOUT_S)
            response.success, response.message = True, what
        except FutureTimeoutError:
            response.success, response.message = False, 'the world does not answer'
        return response

    def _report(self) -> None:
        if self._error or self._thread is None:
            text = self._error or 'not configured'
            self._health.report('sim', DiagnosticStatus.ERROR, text, {})
        elif hasattr(self, '_begun'):
            simulated = (self._controller.ticks - self._first_tick) * self._controller.period_s
            factor = simulated / max(time.monotonic() - self._begun, 1e-3)
            values = {
                'real_time_factor': f'{factor:.3f}',
                'address': self._address,
                'series': self._series,
                'program_running': self._controller.program_running,
                'safety': self._controller.safety_mode.name.lower(),
                'robot_mode': self._controller.robot_mode,
                'remote_control': self._controller.in_remote_control,
            }
            slow = factor < 0.95
            text = 'the cell runs slower than real time' if slow else 'real time'
            self._health.report(
                'sim', DiagnosticStatus.WARN if slow else DiagnosticStatus.OK, text, values
            )

    def _seed(self) -> int:
        return int(self.get_parameter('seed').value)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


class _ObservedPlant:
    """The cell's arm as the controller sees it; the node publishes after every period."""

    def __init__(self, node: SimNode) -> None:
        self._node = node

    @property
    def joint_positions(self) -> Any:
        return self._node._cell.joint_positions

    @property
    def joint_velocities(self) -> Any:
        return self._node._cell.joint_velocities

    def advance(self, joint_setpoint: Any, duration_s: float) -> None:
        self._node.advance(joint_setpoint, duration_s)


def main() -> None:
    """Run the cell's process."""
    process.spin(lambda: [SimNode()])


if __name__ == '__main__':
    main()
