"""The control script that ur_rtde uploads, played as a state machine.

A client writes a command number to input integer register 0 and its arguments to the others; the
script answers in output registers. The state in output integer register 0 is 1 when the script is
ready and 2 when a command is done. Realtime commands are taken up within one control period and
not acknowledged; any other command may take many periods and waits for the register to return to
zero before the next one. Source: the script text itself
(`script_client.ScriptClient('x', 5, 11).getScript()`) of ur_rtde 1.6.5.
"""

import enum
import logging
import math
from collections.abc import Callable

from dp_ros.hardware.ur_kinematics import UR5eKinematics, compose, within_limits
from dp_ros.sim.ur_model import RobotModel
from dp_ros.sim.ur_motion import (
    Joints,
    Motion,
    NoSolutionError,
    Setpoint,
    follow_speed,
    move_joints,
    move_tool,
    servo,
    stop,
)

logger = logging.getLogger(__name__)

READY, DONE = 1, 2
STOP_SCRIPT = 255
REALTIME = frozenset({6, 9, 10, 11, 24, 25, 26, 27, 38, 58, 66, 67, 68, 69, 70, 71})
# A controller solves in closed form and so does not care how far the pose is from the seed.
IK_ITERATIONS = 60
STEADY_RAD_S = 1e-4


class Outcome(enum.Enum):
    """What became of the program in one control period."""

    RUNNING = enum.auto()
    ENDED = enum.auto()
    PROTECTIVE_STOP = enum.auto()


class ControlScript:
    """One run of the program. offset: 0 or 24, the first register that it uses."""

    def __init__(self, robot: RobotModel, offset: int = 0) -> None:
        self._robot = robot
        self._offset = offset
        self._seen_writes = -1  # whatever the register holds at the start is obeyed
        self._fed_writes = -1
        self._busy = False
        self._blocking: Motion | None = None
        self._thread: Motion | None = None
        self._thread_is_move = False
        self._servo_lookahead_s: float | None = None
        self._servo_target: Joints = robot.setpoint.joints
        self._speed_target: Joints = (0.0,) * 6
        self._speed_in_joints = True
        self._watchdog_s = math.inf
        self._silence_s = 0.0
        self._async_writes = self._async_operations = 0
        self._handlers: dict[int, Callable[[], Motion | None]] = {
            1: lambda: self._move(move_joints, self._six(0)),
            2: lambda: self._move(move_joints, self._solve(self._six(0))),
            3: lambda: self._move(self._straight, self._six(0)),
            4: lambda: self._move(self._straight, self._kinematics.forward(self._six(0))),
            9: lambda: self._follow_speed(in_joints=True),
            10: lambda: self._follow_speed(in_joints=False),
            11: lambda: self._servo(self._six(0)),
            15: self._stop_speed,
            16: lambda: self._stop(self._kinematics),
            17: self._set_payload,
            24: lambda: self._servo(self._solve(self._six(0), self._servo_seed())),
            26: lambda: self._answer(self._robot.setpoint.period_s),
            27: lambda: self._answer(*self._robot.joints),
            28: lambda: self._answer(*self._kinematics.forward(self._robot.setpoint.joints)),
            29: self._set_tcp,
            30: lambda: self._answer(*self._solve(self._six(0), self._six(6))),
            33: lambda: self._stop(self._kinematics, self._integer(1) == 1),
            34: lambda: self._stop(None, self._integer(1) == 1),
            35: self._set_watchdog,
            36: lambda: self._answer_integer(self._solution(self._six(0)) is not None),
            37: lambda: self._answer_integer(within_limits(self._six(0))),
            38: lambda: self._answer(*[0.0] * 6),
            39: lambda: self._answer(*compose(self._six(0), self._six(6))),
            40: lambda: self._answer(*self._kinematics.tcp_offset),
            43: lambda: self._answer(*self._kinematics.forward(self._robot.joints)),
            44: lambda: self._answer(*UR5eKinematics(self._six(6)).forward(self._six(0))),
            46: lambda: self._answer(*self._solve(self._six(0))),
            47: lambda: self._answer_integer(
                max(map(abs, self._robot.setpoint.speed)) < STEADY_RAD_S
            ),
            58: lambda: self._answer(*UR5eKinematics().forward(self._robot.joints)),
            60: lambda: self._answer_integer(self._solution(self._six(0)) is not None),
            61: lambda: self._answer_integer(
                self._solution(self._six(0), self._six(6)) is not None
            ),
        }
        self._async_progress(-1)
        self._state(READY)

    def tick(self) -> Outcome:
        """One control period: the watchdog, then the command register, then the motion."""
        if self._watchdog_bites():
            return Outcome.ENDED
        try:
            outcome = Outcome.RUNNING if self._blocking else self._obey(self._integer(0))
            self._advance()
        except (NoSolutionError, ValueError) as error:
            logger.warning('the program ends: %s', error)
            return Outcome.ENDED
        return outcome

    def forget_motion(self) -> None:
        """Stay where the setpoint is now until the next command is written."""
        if self._blocking is not None:
            self._blocking = None
            self._state(DONE)
        self._run(None)
        self._seen_writes = self._writes()

    def _watchdog_bites(self) -> bool:
        self._silence_s += self._robot.setpoint.period_s
        if self._writes() != self._fed_writes:
            self._fed_writes = self._writes()
            self._silence_s = 0.0
        return self._silence_s > self._watchdog_s

    def _obey(self, command: int) -> Outcome:
        fresh = self._writes() != self._seen_writes
        self._seen_writes = self._writes()
        if command == STOP_SCRIPT:
            return Outcome.ENDED
        if command == 0:
            self._busy = False
            self._state(READY)
        elif command in REALTIME:
            # The script repeats it every period; without a new write that changes nothing.
            if fresh:
                self._handle(command)
            self._state(READY)
        elif not self._busy:
            self._busy = True
            if command == 31:
                return Outcome.PROTECTIVE_STOP
            self._blocking = self._handle(command)
            if self._blocking is None:
                self._state(DONE)
        return Outcome.RUNNING

    def _handle(self, command: int) -> Motion | None:
        handler = self._handlers.get(command)
        if handler is None:
            logger.warning('command %d is not simulated: answered, but nothing moves', command)
            return None
        return handler()

    def _advance(self) -> None:
        if self._blocking is not None:
            if _ended(self._blocking):
                self._blocking = None
                self._state(DONE)
        elif self._thread is not None and _ended(self._thread):
            self._run(None)

    # Commands. Each returns the motion that the command waits for, or None.

    def _servo(self, joints: Joints) -> None:
        lookahead_s = self._number(9)
        self._servo_target = joints
        if self._servo_lookahead_s != lookahead_s:
            self._run(servo(self._robot.setpoint, lambda: self._servo_target, lookahead_s))
            self._servo_lookahead_s = lookahead_s

    def _servo_seed(self) -> Joints:
        """Successive targets lie close together, while the setpoint lags behind them."""
        if self._servo_lookahead_s is None:
            return self._robot.setpoint.joints
        return self._servo_target

    def _follow_speed(self, in_joints: bool) -> None:
        self._speed_target = self._six(0)
        self._speed_in_joints = in_joints
        setpoint, acceleration = self._robot.setpoint, self._number(6)
        tool = None if in_joints else self._kinematics
        self._run(follow_speed(setpoint, lambda: self._speed_target, acceleration, tool))

    def _move(self, motion: Callable[..., Motion], goal: Joints) -> Motion | None:
        move = motion(self._robot.setpoint, goal, self._number(6), self._number(7))
        return self._run_or_wait(move, self._integer(1) == 1)

    def _straight(
        self, setpoint: Setpoint, goal: Joints, speed: float, acceleration: float
    ) -> Motion:
        return move_tool(setpoint, self._kinematics, goal, speed, acceleration)

    def _stop_speed(self) -> Motion | None:
        return self._stop(None if self._speed_in_joints else self._kinematics)

    def _stop(self, tool: UR5eKinematics | None, asynchronous: bool = False) -> Motion | None:
        motion = stop(self._robot.setpoint, self._number(0), tool)
        return self._run_or_wait(motion, asynchronous)

    def _set_payload(self) -> None:
        self._robot.payload_kg = self._number(0)

    def _set_tcp(self) -> None:
        self._robot.kinematics = UR5eKinematics(self._six(0))

    def _set_watchdog(self) -> None:
        frequency = self._number(0)
        self._watchdog_s = 1.0 / frequency if frequency > 0.0 else math.inf
        self._silence_s = 0.0

    # The parts that the commands share.

    @property
    def _kinematics(self) -> UR5eKinematics:
        return self._robot.kinematics

    def _run(self, motion: Motion | None, asynchronous_move: bool = False) -> None:
        if self._thread_is_move and self._thread is not None:
            self._async_progress(-1)
        self._thread = motion
        self._thread_is_move = asynchronous_move
        self._servo_lookahead_s = None

    def _run_or_wait(self, motion: Motion, asynchronous: bool) -> Motion | None:
        self._run(motion if asynchronous else None, asynchronous)
        if asynchronous:
            self._async_progress(0)
            return None
        return motion

    def _solution(self, pose: Joints, seed: Joints | None = None) -> Joints | None:
        return self._kinematics.inverse(pose, seed or self._robot.joints, IK_ITERATIONS)

    def _solve(self, pose: Joints, seed: Joints | None = None) -> Joints:
        joints = self._solution(pose, seed)
        if joints is None:
            raise NoSolutionError(f'no joint positions reach the pose {list(pose)}')
        return joints

    def _writes(self) -> int:
        return self._robot.registers.input_int_writes[self._offset]

    def _integer(self, index: int) -> int:
        return self._robot.registers.input_int[self._offset + index]

    def _number(self, index: int) -> float:
        value = self._robot.registers.input_double[self._offset + index]
        if not math.isfinite(value):
            raise ValueError(f'input double register {self._offset + index} holds {value}')
        return value

    def _six(self, index: int) -> Joints:
        return tuple([self._number(i) for i in range(index, index + 6)])

    def _state(self, value: int) -> None:
        self._robot.registers.output_int[self._offset] = value

    def _answer(self, *values: float) -> None:
        start = self._offset
        self._robot.registers.output_double[start : start + len(values)] = values

    def _answer_integer(self, value: int) -> None:
        self._robot.registers.output_int[self._offset + 1] = int(value)

    def _async_progress(self, value: int) -> None:
        """Bits 0-14 progress, 15 running, 16-22 count of writes, 24-30 number of operation."""
        self._async_writes = (self._async_writes + 1) % 128
        if value == 0:
            self._async_operations = (self._async_operations + 1) % 128
        word = (self._async_writes << 16) + (self._async_operations << 24)
        if value >= 0:
            word += value + 32768
        self._robot.registers.output_int[self._offset + 2] = word


def _ended(motion: Motion) -> bool:
    """Advance by one period; True when the motion had ended before."""
    return next(motion, StopIteration) is StopIteration
