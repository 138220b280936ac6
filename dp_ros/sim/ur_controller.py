"""A UR controller on a loopback address: what ur_rtde connects to in simulation.

It listens on the ports of a real one (29999 dashboard, 30003 script, 30004 RTDE) and moves a
`Plant`, a position-servoed arm, once per control period: 500 Hz on e-Series, 125 Hz on CB3.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from dp_ros.sim import dashboard, ur_motion, ur_ports
from dp_ros.sim.rtde_server import RTDEConnection, Value
from dp_ros.sim.rtde_wire import register
from dp_ros.sim.ur_model import RobotModel
from dp_ros.sim.ur_outputs import IDLE, POWER_OFF, RUNNING, SafetyMode, outputs
from dp_ros.sim.ur_script import ControlScript, Outcome

logger = logging.getLogger(__name__)

DASHBOARD_PORT, SCRIPT_PORT, RTDE_PORT = 29999, 30003, 30004
PORTS = (DASHBOARD_PORT, SCRIPT_PORT, RTDE_PORT)

SERIES = {
    # control rate [Hz], RTDE version, what PolyscopeVersion answers, robot model
    'e-Series': (500.0, (5, 11, 1, 108318), 'URSoftware 5.11.1.108318 (Dec 07 2021)', 'UR5e'),
    'CB3': (125.0, (3, 15, 8, 106339), 'URSoftware 3.15.8.106339 (Mar 16 2022)', 'UR5'),
}

# How the joints slow down when a program ends, and when the safety system acts [rad/s^2].
PROGRAM_STOP_RAD_S2 = 10.0
SAFETY_STOP_RAD_S2 = 20.0
# How long after a protective stop the dashboard refuses to unlock it.
UNLOCK_AFTER_S = 5.0
# A loop that is late by more than this gives the time up instead of chasing it.
LATE_TICKS = 5

_LOADED = 'RTDE Control Script Loaded'
_OFFSET = re.compile(r'int register offset\n\s*(\d+)')


class Plant(Protocol):
    """A position-servoed arm: the simulated world, or a kinematic stand-in."""

    @property
    def joint_positions(self) -> Any: ...  # (6,) [rad]

    @property
    def joint_velocities(self) -> Any: ...  # (6,) [rad/s]

    def advance(self, joint_setpoint: Sequence[float], duration_s: float) -> None:
        """Let the world go on for one control period with this setpoint (6,) [rad]."""


class URController:
    """Servers and control loop. All methods belong to the thread of the event loop."""

    def __init__(
        self,
        plant: Plant,
        address: str = '127.0.0.2',
        series: Literal['e-Series', 'CB3'] = 'e-Series',
        tcp_offset: Sequence[float] = (0.0, 0.0, 0.16, 0.0, 0.0, 0.0),
        unlock_after_s: float = UNLOCK_AFTER_S,
    ) -> None:
        if series not in SERIES:
            raise ValueError(f'series is {series!r}; expected one of {list(SERIES)}')
        self.control_hz, self.version, self.software, self.robot_model = SERIES[series]
        self.address = address
        self.period_s = 1.0 / self.control_hz
        self.in_remote_control = True
        self.safety_mode = SafetyMode.NORMAL
        self.robot_mode = RUNNING
        self.ticks = 0
        self._unlock_ticks = round(unlock_after_s * self.control_hz)
        self._stopped_at = 0
        self._muted = False
        self._plant = plant
        joints = tuple(np.asarray(plant.joint_positions, dtype=float).tolist())
        self.robot = RobotModel(joints, self.period_s, tuple(tcp_offset))
        self._outputs = outputs(self)
        self._script: ControlScript | None = None
        self._stopping: ur_motion.Motion | None = None
        self._servers: list[asyncio.Server] = []
        self._clients: set[RTDEConnection] = set()
        self._text_clients: set[ur_ports.TextConnection] = set()

    @property
    def program_running(self) -> bool:
        """Whether a control script runs."""
        return self._script is not None

    async def start(self) -> None:
        """Listen on the three ports; AddressInUse, with nothing left bound, if one is taken."""
        factories: dict[int, Callable[[], asyncio.Protocol]] = {
            DASHBOARD_PORT: lambda: ur_ports.TextConnection(
                ur_ports.cut_line,
                lambda line: dashboard.answer(line, self),
                self._text_clients,
                dashboard.BANNER,
            ),
            SCRIPT_PORT: lambda: ur_ports.TextConnection(
                ur_ports.cut_program,
                self.upload,
                self._text_clients,
                limit_bytes=ur_ports.SCRIPT_LIMIT_BYTES,
            ),
            RTDE_PORT: lambda: RTDEConnection(self, self._clients),
        }
        loop = asyncio.get_running_loop()
        for listener, factory in zip(
            ur_ports.listen(self.address, list(factories)), factories.values()
        ):
            self._servers.append(await loop.create_server(factory, sock=listener))

    def tick(self) -> None:
        """One control period: script, plant, measurement, packages to the subscribers."""
        self._run_program()
        self._plant.advance(self.robot.setpoint.joints, self.period_s)
        self._measure()
        self.ticks += 1
        for client in () if self._muted else tuple(self._clients):
            client.publish(self.ticks)

    async def run(self, stop: asyncio.Event, real_time: bool = True) -> None:
        """Tick until stop is set: on absolute deadlines, or as fast as it goes."""
        loop = asyncio.get_running_loop()
        deadline = loop.time()
        while not stop.is_set():
            self.tick()
            deadline += self.period_s
            late_s = loop.time() - deadline
            if late_s > LATE_TICKS * self.period_s:
                deadline += late_s
            # Even a late loop must let the sockets have their turn.
            await asyncio.sleep(max(0.0, -late_s) if real_time else 0.0)

    async def close(self) -> None:
        """Close the ports and drop the clients."""
        for server in self._servers:
            server.close()
        for client in tuple(self._clients):
            client.abort()
        for text_client in tuple(self._text_clients):
            text_client.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def upload(self, text: str) -> None:
        """A program from the script port: it replaces the one that runs."""
        offset = _OFFSET.search(text)
        if _LOADED not in text or offset is None or int(offset[1]) not in (0, 24):
            logger.warning('only the control script of ur_rtde is simulated; program ignored')
            return
        if self.safety_mode is not SafetyMode.NORMAL or self.robot_mode != RUNNING:
            logger.warning(
                'program refused: %s, robot mode %d', self.safety_mode.name, self.robot_mode
            )
            return
        if self.version[0] >= 5 and not self.in_remote_control:
            logger.warning('program refused: the robot is in local control')
            return
        if self._script is not None:
            self.stop_program()
        self._script = ControlScript(self.robot, int(offset[1]))

    def stop_program(self) -> None:
        """End the program, as the stop button does; the arm decelerates."""
        self._end_program(PROGRAM_STOP_RAD_S2)

    def protective_stop(self) -> None:
        """As after a collision; `release`, or the dashboard's unlock 5 s later, ends it."""
        self._stopped_at = self.ticks
        self._safety_stop(SafetyMode.PROTECTIVE_STOP)

    @property
    def unlockable(self) -> bool:
        """Whether a protective stop is old enough for the dashboard to unlock it."""
        return self.ticks - self._stopped_at >= self._unlock_ticks

    def safeguard_stop(self) -> None:
        """As when a safety gate opens; `release` ends it."""
        self._safety_stop(SafetyMode.SAFEGUARD_STOP)

    def emergency_stop(self) -> None:
        """As when the red button is pressed; `release` ends it and powers the arm on again."""
        self._safety_stop(SafetyMode.EMERGENCY_STOP)
        self.robot_mode = POWER_OFF

    def power_off(self) -> None:
        """The arm loses its power; `power_on` and `brake_release` (or `release`) give it back."""
        self.robot_mode = POWER_OFF
        self._end_program(SAFETY_STOP_RAD_S2)

    def power_on(self) -> None:
        """The arm is powered, with its brakes on."""
        if self.safety_mode is SafetyMode.NORMAL and self.robot_mode == POWER_OFF:
            self.robot_mode = IDLE

    def brake_release(self) -> None:
        """The brakes of a powered arm open."""
        if self.safety_mode is SafetyMode.NORMAL and self.robot_mode == IDLE:
            self.robot_mode = RUNNING

    def local_control(self) -> None:
        """Somebody takes control at the pendant: no program is accepted, the present one ends.

        That the program ends is an assumption; a controller refuses new ones at the least.
        """
        self.in_remote_control = False
        self.stop_program()

    def remote_control(self) -> None:
        """The pendant gives control back; the program stays stopped."""
        self.in_remote_control = True

    def release(self) -> None:
        """End every stop; the program stays stopped until it is uploaded again."""
        self.safety_mode = SafetyMode.NORMAL
        self.robot_mode = RUNNING

    def mute(self) -> None:
        """RTDE goes silent, its connections stay; `unmute` ends it."""
        self._muted = True

    def unmute(self) -> None:
        """RTDE streams again."""
        self._muted = False

    def drop_rtde(self) -> None:
        """Every RTDE connection breaks; new ones are accepted."""
        for client in tuple(self._clients):
            client.abort()

    def drop_control(self) -> None:
        """Only the connections over which commands come break."""
        for client in tuple(self._clients):
            if client.commands:
                client.abort()

    def jump(self) -> None:
        """Take the setpoint from the plant, after the world was reset: the arm stays still."""
        self._measure()
        self.robot.setpoint.place(self.robot.joints)
        self._stopping = None
        if self._script is not None:
            self._script.forget_motion()

    def output(self, name: str) -> Callable[[], Value]:
        """A function that gives the present value of an RTDE output variable."""
        where = register(name)
        if where is None:
            return self._outputs[name]
        kind, index = where
        registers = self.robot.registers
        if kind == 'int':
            return lambda: registers.output_int[index]
        if kind == 'double':
            return lambda: registers.output_double[index]
        return lambda: False

    def input(self, name: str) -> Callable[[Any], None]:
        """A function that takes an RTDE input; what is no register (sliders, IO) has no effect."""
        registers = self.robot.registers
        kind, index = register(name) or ('', 0)

        def write_int(value: int) -> None:
            registers.input_int[index] = value
            registers.input_int_writes[index] += 1

        def write_double(value: float) -> None:
            registers.input_double[index] = value

        setters = {'int': write_int, 'double': write_double}
        return setters.get(kind, lambda _: None)

    def _run_program(self) -> None:
        # A program that is loaded while the arm still slows down waits until it stands.
        if self._stopping is not None:
            if next(self._stopping, self) is self:
                self._stopping = None
        elif self._script is not None:
            outcome = self._script.tick()
            if outcome is Outcome.ENDED:
                self.stop_program()
            elif outcome is Outcome.PROTECTIVE_STOP:
                self.protective_stop()

    def _measure(self) -> None:
        self.robot.joints = tuple(np.asarray(self._plant.joint_positions, dtype=float).tolist())
        self.robot.joint_speed = tuple(
            np.asarray(self._plant.joint_velocities, dtype=float).tolist()
        )

    def _end_program(self, deceleration: float) -> None:
        self._script = None
        self._stopping = ur_motion.stop(self.robot.setpoint, deceleration)

    def _safety_stop(self, mode: SafetyMode) -> None:
        self.safety_mode = mode
        self._end_program(SAFETY_STOP_RAD_S2)
