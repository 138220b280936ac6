"""A camera as a process: its frames and its calibration, on the topics of realsense-ros."""

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from dp_ros.hardware.camera import Frame
from dp_ros.nodes import images, process, topics
from dp_ros.nodes.camera_drivers import make_camera
from dp_ros.nodes.camera_loop import SILENT_S, CameraLoop, CameraState
from dp_ros.nodes.camera_messages import camera_info_message
from dp_ros.nodes.crash import end_process
from dp_ros.nodes.health import Health
from dp_ros.nodes.parameters import declare
from dp_ros.robot import CameraSettings, load_robot

REPORT_PERIOD_S = 0.5
# A driver may be in the middle of opening a device.
STOP_TIMEOUT_S = 3.0


class CameraNode(LifecycleNode):
    """Lifecycle: configure reads the robot file, activate opens the camera and streams.

    A camera that is not there, or goes, is opened again and again; /diagnostics tells.
    """

    def __init__(self) -> None:
        super().__init__('camera')
        self._robot_file = declare(self, 'robot', '', 'robot file (YAML)')
        camera = declare(self, 'camera', '', "name in the robot file; empty: the node's own name")
        self._camera = camera or self.get_name()
        self._address = declare(
            self, 'address', '', "where a simulated cell answers; empty: the robot file's"
        )
        declare(self, 'autostart', True, 'configure and activate at start')
        self._frame_id = f'{self._camera}_color_optical_frame'
        self._health = Health(self)
        self._loop: CameraLoop | None = None
        self.hopeless = ''
        self.create_timer(REPORT_PERIOD_S, self._report)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the robot file; fails with a sentence."""
        try:
            self._settings, address = self._load()
            self._driver = make_camera(self._settings, address)
        except (ValueError, ImportError) as error:
            self.hopeless = str(error)
            self.get_logger().error(self.hopeless)
            self._report()
            return TransitionCallbackReturn.FAILURE
        # As realsense-ros offers them, reliably: that serves subscribers of either kind.
        image, info = self._topics()
        self._image_out = self.create_publisher(image.type, image.name, topics.RELIABLE)
        self._info_out = self.create_publisher(info.type, info.name, topics.RELIABLE)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the camera, in the thread that reads it."""
        self._loop = CameraLoop(
            self._driver, self._settings.rate_hz, self._publish, self._on_change, self._on_crash
        )
        self._loop.start()
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the camera."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Remove what configure made."""
        self.destroy_publisher(self._image_out)
        self.destroy_publisher(self._info_out)
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Let go of the camera in bounded time, even when its driver is stuck."""
        loop, self._loop = self._loop, None
        if loop is not None and not loop.stop(STOP_TIMEOUT_S):
            self.get_logger().error('the driver is stuck and keeps the camera; end this process')

    def _load(self) -> tuple[CameraSettings, str]:
        robot = load_robot(self._robot_file)
        if self._camera not in robot.cameras:
            raise ValueError(
                f'{self._robot_file} has the cameras {list(robot.cameras)}, expected '
                f'{self._camera!r} among them; describe it there, or set the parameter camera'
            )
        return robot.cameras[self._camera], self._address or robot.arm.address

    def _topics(self) -> tuple[topics.Topic, topics.Topic]:
        image = topics.color_image(self._camera, self._settings.jpeg)
        return image, topics.camera_info(self._camera)

    # Called by the reading thread; publishers may be used from any thread.

    def _publish(self, frame: Frame) -> None:
        if not self.context.ok():
            return
        given = frame.stamp_ns, self._frame_id, frame.image
        if self._settings.jpeg:
            self._image_out.publish(images.jpeg_message(*given, self._settings.jpeg_quality))
        else:
            self._image_out.publish(images.image_message(*given))
        size = (self._settings.width, self._settings.height)
        intrinsics = self._driver.intrinsics
        self._info_out.publish(
            camera_info_message(frame.stamp_ns, self._frame_id, size, intrinsics)
        )

    def _on_change(self) -> None:
        loop = self._loop
        if loop is None:
            return
        fault = loop.state().fault
        # rclpy ties a severity to the line that logs it.
        if fault:
            self.get_logger().error(fault)
        else:
            self.get_logger().info('frames come again')
        self._report()

    def _on_crash(self, error: BaseException) -> None:
        """The reading thread failed: end the process, so that nobody takes it for a camera."""
        if not self.context.ok():
            return  # it published while the process was ending
        end_process(self, 'reading the camera failed', error)

    def _report(self) -> None:
        name, loop = f'camera/{self._camera}', self._loop
        if loop is None:
            level = DiagnosticStatus.ERROR if self.hopeless else DiagnosticStatus.WARN
            self._health.report(name, level, self.hopeless or 'not active', {})
            return
        state = loop.state()
        level, text = _verdict(state)
        now_ns = int(self.get_clock().now().nanoseconds)
        age = 'none' if state.newest_ns is None else f'{(now_ns - state.newest_ns) / 1e6:.1f}'
        values = {
            'driver': self._settings.driver,
            'rate_hz': f'{state.rate_hz:.1f}',
            'age_ms': age,
            'frames': state.frames,
            'dropped': state.dropped,
            'repeated': state.repeated,
            'reconnects': state.reconnects,
        }
        self._health.report(name, level, text, values)


def _verdict(state: CameraState) -> tuple[bytes, str]:
    if state.fault:
        return DiagnosticStatus.ERROR, state.fault
    if state.silent_s > SILENT_S:
        return DiagnosticStatus.WARN, f'no frame for {state.silent_s:.1f} s'
    return DiagnosticStatus.OK, 'frames come' if state.frames else 'waiting for the first frame'


def main() -> None:
    """Run the process of one camera."""
    process.spin(lambda: [CameraNode()])


if __name__ == '__main__':
    main()
