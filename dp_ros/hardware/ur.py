"""A UR arm through ur_rtde: RTDE for state, the uploaded control script for commands.

ur_rtde's return values do not tell whether a command arrived: with a dead peer `servoL` goes on
returning True and `getActualQ` the last value. So the link is judged by the controller's own
timestamp, which must advance. Calls that wait for an answer can wait for ever; they run in a
thread of their own with a limit, and on a lost link nothing but disconnect is called.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dp_ros.core.robot import ArmStatus, Command, RobotState
from dp_ros.hardware.arm import ArmError
from dp_ros.hardware.ur_kinematics import quaternion_pose, rotation_vector_pose
from dp_ros.hardware.ur_probe import probe

VARIABLES = [
    'timestamp',
    'actual_q',
    'actual_qd',
    'actual_TCP_pose',
    'actual_TCP_force',
    'runtime_state',
    'safety_status_bits',
]
PLAYING = 2
# Bits of safety_status_bits, the gravest first.
SAFETY_STATUS = (
    (1 << 8 | 1 << 9 | 1 << 3, ArmStatus.FAULT),  # violation, fault, recovery mode
    (1 << 5 | 1 << 6 | 1 << 7, ArmStatus.EMERGENCY_STOP),
    (1 << 2, ArmStatus.PROTECTIVE_STOP),
    (1 << 4, ArmStatus.SAFEGUARD_STOP),
)
# While the arm decelerates, ur_rtde waits and cannot feed a watchdog of 10 Hz.
RESTING_WATCHDOG_HZ = 0.2
# A command of the script is answered within a few control periods.
ANSWER_S = 1.0
# Longest stop that is waited for, beyond the answer itself.
STOP_S = 2.0
START_S = 2.0
DISCONNECT_S = 2.0


class URArm:
    """Arm at an address. The controller stops the program when commands cease (its watchdog).

    rate_hz: rate of `read` and `send`. tcp_offset: TCP in the flange frame (6,) [m, rad].
    lookahead_s, gain: of servoj (0.03-0.2 s, 100-2000). watchdog_hz: the lowest rate of calls
    at which the program goes on once `send` was called. link_timeout_s: oldest state.
    """

    def __init__(
        self,
        address: str,
        rate_hz: float = 125.0,
        tcp_offset: Sequence[float] = (0.0,) * 6,
        payload_kg: float = 0.0,
        lookahead_s: float = 0.1,
        gain: float = 300.0,
        watchdog_hz: float = 10.0,
        link_timeout_s: float = 0.1,
    ) -> None:
        if not 0.03 <= lookahead_s <= 0.2 or not 100 <= gain <= 2000:
            raise ArmError(
                f'lookahead_s is {lookahead_s}, gain {gain}; expected 0.03-0.2 s and 100-2000'
            )
        if len(tcp_offset) != 6 or not all(map(math.isfinite, tcp_offset)):
            raise ArmError(f'tcp_offset is {tcp_offset}; expected six finite numbers')
        self._address = address
        self._rate_hz = rate_hz
        self._tcp_offset = [float(value) for value in tcp_offset]
        self._payload_kg = payload_kg
        self._lookahead_s, self._gain = lookahead_s, gain
        self._watchdog_hz = watchdog_hz
        self._link_timeout_s = link_timeout_s
        self._control: Any = None
        self._receive: Any = None
        self._forget()

    def connect(self) -> None:
        """Connect, or recover from a stop; ArmError when the robot is not there or not ready."""
        probe(self._address)
        if self._control is not None and self._link_is_alive():
            self._restart_program()
        else:
            self.close()
            self._open()
        self._forget()
        self._wait_until_running()
        self._ask('setTcp', self._tcp_offset)
        self._ask('setPayload', self._payload_kg, [0.0, 0.0, 0.0])

    def read(self) -> RobotState:
        """Newest state; status LINK_LOST, with the last known values, when nothing new comes."""
        receive = self._connected(self._receive)
        state = RobotState(
            controller_time_s=receive.getTimestamp(),
            joint_positions=receive.getActualQ(),
            joint_velocities=receive.getActualQd(),
            tcp_pose=quaternion_pose(receive.getActualTCPPose()),
            tcp_wrench=receive.getActualTCPForce(),
            status=self._status(),
        )
        if state.status is ArmStatus.RUNNING and not self._feed_watchdog():
            return replace(state, status=ArmStatus.LINK_LOST)
        return state

    def send(self, command: Command) -> None:
        """Next setpoint, by servoL (cartesian) or servoJ (joint)."""
        control = self._connected(self._control)
        values = _checked(command)
        if not self._link_is_alive():
            raise ArmError(
                f'the link to {self._address} is lost: no state for more than '
                f'{self._link_timeout_s:g} s; nothing was sent. Call connect() to recover'
            )
        self._set_watchdog(self._watchdog_hz)
        servo = control.servoL if command.space == 'cartesian' else control.servoJ
        try:
            # Speed and acceleration are ignored by the controller, but checked by the client.
            servo(values, 0.5, 0.5, 1.0 / self._rate_hz, self._lookahead_s, self._gain)
        except RuntimeError as error:
            self._hung = True
            raise ArmError(f'the link to {self._address} broke: {error}') from error
        self._written_s = time.monotonic()

    def hold(self, deceleration: float) -> None:
        """servoStop [m/s^2]. On a lost link nothing is sent: the controller's watchdog stops."""
        if not 0.0 < deceleration < math.inf:
            raise ArmError(f'deceleration is {deceleration}; expected a positive number')
        if self._control is None or not self._watching_hz or not self._link_is_alive():
            return
        self._set_watchdog(RESTING_WATCHDOG_HZ)
        self._ask('servoStop', deceleration, limit_s=ANSWER_S + STOP_S)

    def close(self) -> None:
        """Stop the program if the link is alive, then disconnect; never waits long."""
        control, receive = self._control, self._receive
        try:
            if control is not None and self._link_is_alive():
                self._ask('stopScript')
        except ArmError:
            pass  # the peer died at this very moment; there is nothing left to stop
        finally:
            self._control = self._receive = None
            _disconnect([device for device in (control, receive) if device is not None])

    def _open(self) -> None:
        try:
            from rtde_control import RTDEControlInterface
            from rtde_receive import RTDEReceiveInterface
        except ImportError as error:
            raise ArmError(
                f'ur_rtde cannot be imported ({error}); it has wheels for Python 3.9 to 3.12: '
                'pip install ur-rtde in one of these'
            ) from error
        try:
            self._receive = RTDEReceiveInterface(self._address, self._rate_hz, VARIABLES)
            self._control = RTDEControlInterface(self._address, self._rate_hz)
        except RuntimeError as error:
            self.close()
            raise ArmError(f'ur_rtde could not connect to {self._address}: {error}') from error

    def _restart_program(self) -> None:
        if self._receive.getRuntimeState() == PLAYING:
            return
        # The register still holds the last servo target, which a new program would obey at
        # once; a command that is refused because no program runs clears it.
        self._ask('kickWatchdog')
        self._ask('reuploadScript', limit_s=START_S)

    def _wait_until_running(self) -> None:
        deadline = time.monotonic() + START_S
        while self._status() is not ArmStatus.RUNNING:
            if time.monotonic() > deadline:
                raise ArmError(
                    f'the control program did not start on {self._address}: status is '
                    f'{self._status().value!r}, expected {ArmStatus.RUNNING.value!r}. Look at '
                    "the pendant's log, then call connect() again"
                )
            time.sleep(0.01)

    def _forget(self) -> None:
        """As after a fresh start: no watchdog armed, no state seen yet."""
        self._watching_hz = 0.0
        self._written_s = 0.0
        self._hung = False
        self._timestamp = math.nan
        self._advanced_s = time.monotonic()

    def _link_is_alive(self) -> bool:
        now = time.monotonic()
        timestamp = self._receive.getTimestamp()
        if timestamp != self._timestamp:
            self._timestamp, self._advanced_s = timestamp, now
        return (
            not self._hung
            and now - self._advanced_s <= self._link_timeout_s
            and self._receive.isConnected()
            and self._control.isConnected()
        )

    def _status(self) -> ArmStatus:
        if not self._link_is_alive():
            return ArmStatus.LINK_LOST
        bits = self._receive.getSafetyStatusBits()
        for mask, status in SAFETY_STATUS:
            if bits & mask:
                return status
        if self._receive.getRuntimeState() != PLAYING:
            return ArmStatus.PROGRAM_STOPPED
        return ArmStatus.RUNNING

    def _set_watchdog(self, rate_hz: float) -> None:
        """Watch at this rate. The controller forgets its watchdogs when the program stops."""
        if self._watching_hz != rate_hz:
            self._ask('setWatchdog', rate_hz)
            self._watching_hz = rate_hz

    def _feed_watchdog(self) -> bool:
        """False if the link broke under it."""
        # Not right after a command: the kick would overwrite it before the script has read it.
        now = time.monotonic()
        if self._watching_hz and now - self._written_s > 0.5 / self._watchdog_hz:
            try:
                self._control.kickWatchdog()
            except RuntimeError:
                self._hung = True
                return False
            self._written_s = now
        return True

    def _ask(self, method: str, *arguments: Any, limit_s: float = ANSWER_S) -> None:
        """Call a method of the control interface that waits for the script's answer."""
        call = getattr(self._control, method)
        if not _within(limit_s, lambda: call(*arguments)):
            self._hung = True
            raise ArmError(
                f'the robot at {self._address} did not answer {method} within {limit_s:g} s; '
                'call connect() to recover'
            )
        self._written_s = time.monotonic()

    def _connected(self, device: Any) -> Any:
        if device is None:
            raise ArmError('the arm is not connected; call connect() first')
        return device


def _checked(command: Command) -> list[float]:
    """Values as ur_rtde takes them. It frames a wrong length or a NaN without complaint."""
    sizes = {'cartesian': 7, 'joint': 6}
    values = command.values
    if len(values) != sizes.get(command.space) or not all(map(math.isfinite, values)):
        raise ArmError(
            f'{command.space} command is {list(values)}; expected a pose of 7 or 6 joint '
            'positions, all finite'
        )
    if command.space == 'cartesian':
        values = rotation_vector_pose(values)
    return [float(value) for value in values]


def _disconnect(devices: list[Any]) -> None:
    """Each sleeps half a second in disconnect, so all at once."""
    threads = [threading.Thread(target=device.disconnect, daemon=True) for device in devices]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + DISCONNECT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _within(limit_s: float, call: Callable[[], Any]) -> bool:
    """Whether the call returned within the limit; if not, its thread is abandoned."""
    failure: list[Exception] = []

    def run() -> None:
        try:
            call()
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if failure:
        raise ArmError(f'ur_rtde failed: {failure[0]}') from failure[0]
    return not thread.is_alive()
