"""A UR arm through ur_rtde: RTDE for state, the uploaded control script for commands."""

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import replace

from dp_ros.core.robot import ArmStatus, Command, RobotState
from dp_ros.hardware.arm import ArmError
from dp_ros.hardware.ur_client import ANSWER_S, URClient
from dp_ros.hardware.ur_dashboard import RemoteControlWatch, unlock
from dp_ros.hardware.ur_kinematics import quaternion_pose, rotation_vector_pose
from dp_ros.hardware.ur_probe import probe
from dp_ros.hardware.ur_status import PLAYING, arm_status

# While the arm decelerates, ur_rtde waits and cannot feed a watchdog of 10 Hz.
RESTING_WATCHDOG_HZ = 0.2
# Longest stop that is waited for, beyond the answer itself.
STOP_S = 2.0
START_S = 2.0


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
        self._client: URClient | None = None
        self._watch: RemoteControlWatch | None = None
        self._state: RobotState | None = None
        self._forget()

    def connect(self, unlock_stop: bool = False) -> None:
        """Connect, or recover from a stop; ArmError when the robot is not there or not ready."""
        if self._client is not None:
            self._client.check()
        if unlock_stop:
            unlock(self._address)
        probe(self._address)
        if self._client is not None and self._client.alive():
            self._restart_program(self._client)
        else:
            self.close()
            self._client = URClient(self._address, self._rate_hz, self._link_timeout_s)
        self._watch = self._watch or RemoteControlWatch(self._address)
        self._watch.remote = None  # the probe has just seen that it is, or that there is none
        self._forget()
        self._wait_until_running(self._client)
        self._client.ask('setTcp', self._tcp_offset)
        self._client.ask('setPayload', self._payload_kg, [0.0, 0.0, 0.0])

    def read(self) -> RobotState:
        """Newest state; status LINK_LOST, with the last known values, when nothing new comes.

        DriverBroken when the silence lasts longer than ur_rtde bears.
        """
        client = self._client
        if client is not None and client.alive():
            try:
                state = self._measured(client)
                if state.finite:
                    self._state = state
                    if state.status is ArmStatus.RUNNING:
                        self._feed_watchdog(client)
                    return state
                client.lose('the state that the controller sends is not finite')
            except RuntimeError as error:
                client.lose(f'ur_rtde failed: {error}')
        if self._state is None:
            raise ArmError(f'not connected to {self._address}; call connect() first')
        if client is None:
            return replace(self._state, status=ArmStatus.LINK_LOST, detail='not connected')
        with contextlib.suppress(ArmError):
            client.check()
        return replace(self._state, status=ArmStatus.LINK_LOST, detail=client.lost)

    def send(self, command: Command) -> None:
        """Next setpoint, by servoL (cartesian) or servoJ (joint)."""
        client = self._connected()
        values = _checked(command)
        if not client.alive():
            raise ArmError(
                f'the link to {self._address} is lost: {client.lost}; nothing was sent. Call '
                f'connect() to recover'
            )
        self._set_watchdog(client, self._watchdog_hz)
        control = client.control
        servo = control.servoL if command.space == 'cartesian' else control.servoJ
        try:
            # Speed and acceleration are ignored by the controller, but checked by the client.
            servo(values, 0.5, 0.5, 1.0 / self._rate_hz, self._lookahead_s, self._gain)
        except RuntimeError as error:
            client.lose(f'a command failed: {error}')
            raise ArmError(f'the link to {self._address} broke: {error}') from error
        self._written_s = time.monotonic()

    def hold(self, deceleration: float) -> None:
        """servoStop [m/s^2]. On a lost link nothing is sent: the controller's watchdog stops."""
        if not 0.0 < deceleration < math.inf:
            raise ArmError(f'deceleration is {deceleration}; expected a positive number')
        client = self._client
        if client is None or not self._watching_hz or not client.alive():
            return
        self._set_watchdog(client, RESTING_WATCHDOG_HZ)
        client.ask('servoStop', deceleration, limit_s=ANSWER_S + STOP_S)
        self._written_s = time.monotonic()

    def close(self) -> None:
        """Stop the program if the link is alive, then disconnect; never waits long."""
        client, self._client = self._client, None
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()
        if client is None:
            return
        try:
            if client.alive():
                client.ask('stopScript')
        except ArmError:
            pass  # the peer died at this very moment; there is nothing left to stop
        finally:
            client.close()

    def _connected(self) -> URClient:
        if self._client is None:
            raise ArmError(f'not connected to {self._address}; call connect() first')
        return self._client

    def _measured(self, client: URClient) -> RobotState:
        receive = client.receive
        status, detail = self._status(client)
        return RobotState(
            controller_time_s=receive.getTimestamp(),
            joint_positions=receive.getActualQ(),
            joint_velocities=receive.getActualQd(),
            tcp_pose=quaternion_pose(receive.getActualTCPPose()),
            tcp_wrench=receive.getActualTCPForce(),
            status=status,
            detail=detail,
        )

    def _status(self, client: URClient) -> tuple[ArmStatus, str]:
        if not client.alive():
            return ArmStatus.LINK_LOST, client.lost
        receive = client.receive
        return arm_status(
            receive.getSafetyStatusBits(),
            receive.getRobotMode(),
            receive.getRuntimeState(),
            self._watch.remote if self._watch is not None else None,
        )

    def _restart_program(self, client: URClient) -> None:
        if client.receive.getRuntimeState() == PLAYING:
            return
        # The register still holds the last servo target, which a new program would obey at
        # once; a command that is refused because no program runs clears it.
        client.ask('kickWatchdog')
        client.ask('reuploadScript', limit_s=START_S)

    def _wait_until_running(self, client: URClient) -> None:
        deadline = time.monotonic() + START_S
        while (status := self._status(client))[0] is not ArmStatus.RUNNING:
            if time.monotonic() > deadline:
                found = ', '.join(filter(None, (status[0].value, status[1])))
                raise ArmError(
                    f'the control program did not start on {self._address}: status is '
                    f'{found!r}, expected {ArmStatus.RUNNING.value!r}. Look at '
                    "the pendant's log, then call connect() again"
                )
            time.sleep(0.01)

    def _forget(self) -> None:
        """As after a fresh start: no watchdog armed, nothing written yet."""
        self._watching_hz = 0.0
        self._written_s = 0.0

    def _set_watchdog(self, client: URClient, rate_hz: float) -> None:
        """Watch at this rate. The controller forgets its watchdogs when the program stops."""
        if self._watching_hz != rate_hz:
            client.ask('setWatchdog', rate_hz)
            self._written_s = time.monotonic()
            self._watching_hz = rate_hz

    def _feed_watchdog(self, client: URClient) -> None:
        """Raises RuntimeError if the link breaks under it."""
        # Not right after a command: the kick would overwrite it before the script has read it.
        now = time.monotonic()
        if self._watching_hz and now - self._written_s > 0.5 / self._watchdog_hz:
            client.control.kickWatchdog()
            self._written_s = now


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
