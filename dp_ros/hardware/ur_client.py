"""ur_rtde's connections to one controller, and whether they still are what they were.

ur_rtde's return values do not tell whether a command arrived: with a dead peer `servoL` goes on
returning True and `getActualQ` the last value. So the link is judged by the controller's own
timestamp, which must advance, and by the sockets, which must stay: ur_rtde reconnects by itself.
Calls that wait for an answer can wait for ever; they run in a thread of their own with a limit.
Once the link is lost it stays lost, and nothing but disconnect is called.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

from dp_ros.hardware import ur_sockets
from dp_ros.hardware.arm import ArmError, DriverBroken
from dp_ros.hardware.ur_probe import RTDE_PORT

VARIABLES = [
    'timestamp',
    'actual_q',
    'actual_qd',
    'actual_TCP_pose',
    'actual_TCP_force',
    'runtime_state',
    'robot_mode',
    'safety_status_bits',
]
# A command of the script is answered within a few control periods.
ANSWER_S = 1.0
DISCONNECT_S = 2.0
# After 2.5 s without data ur_rtde reconnects in a thread of its own. When the robot speaks again,
# that crashes the process, or uploads a program that nobody asked for.
TRUSTED_SILENCE_S = 2.0


class URClient:
    """Connected when made; `control` and `receive` are ur_rtde's interfaces.

    link_timeout_s: oldest state. lost: why the link is lost, for good; '' as long as it lives.
    silent: it was lost because the robot said nothing.
    Raises ArmError where ur_rtde cannot connect.
    """

    def __init__(self, address: str, rate_hz: float, link_timeout_s: float) -> None:
        try:
            from rtde_control import RTDEControlInterface
            from rtde_receive import RTDEReceiveInterface
        except ImportError as error:
            raise ArmError(
                f'ur_rtde cannot be imported ({error}); it has wheels for Python 3.9 to 3.12: '
                'pip install ur-rtde in one of these'
            ) from error
        self.address = address
        self.lost = ''
        self.silent = False
        self.control: Any = None
        self.receive: Any = None
        self._link_timeout_s = link_timeout_s
        others = ur_sockets.connected(address, RTDE_PORT)
        try:
            self.receive = RTDEReceiveInterface(address, rate_hz, VARIABLES)
            self.control = RTDEControlInterface(address, rate_hz)
        except RuntimeError as error:
            self.close()
            raise ArmError(f'ur_rtde could not connect to {address}: {error}') from error
        opened = ur_sockets.connected(address, RTDE_PORT)
        self._sockets = {k: v for k, v in opened.items() if others.get(k) != v}
        self._timestamp = 0.0
        self._advanced_s = time.monotonic()

    def alive(self) -> bool:
        """Whether the link lives; once it does not, `lost` says why."""
        if self.lost:
            return False
        if self._silence_s() > self._link_timeout_s:
            self.silent = True
            self.lose(f'no new state for {self._link_timeout_s:g} s')
        elif not (self.receive.isConnected() and self.control.isConnected()):
            self.lose('a connection broke')
        elif not ur_sockets.same(self._sockets):
            self.lose('ur_rtde reconnected by itself')
        return not self.lost

    def check(self) -> None:
        """Raise DriverBroken when ur_rtde is about to act by itself in a silence.

        Raise ArmError while the silence lasts, where something else than waiting was meant.
        """
        if not self.silent or not ur_sockets.same(self._sockets):
            return
        silence_s = self._silence_s()
        if silence_s > TRUSTED_SILENCE_S:
            raise DriverBroken(
                f'the robot at {self.address} has been silent for {silence_s:.1f} s; beyond 2.5 s '
                'ur_rtde reconnects by itself, and may crash'
            )
        if silence_s > self._link_timeout_s:
            raise ArmError(f'the robot at {self.address} is still silent')

    def _silence_s(self) -> float:
        """For how long the controller's timestamp has stood still."""
        now = time.monotonic()
        timestamp = self.receive.getTimestamp()
        if timestamp != self._timestamp:
            self._timestamp, self._advanced_s = timestamp, now
        return now - self._advanced_s

    def lose(self, reason: str) -> None:
        """Give the link up. Only `close` follows, and not at once.

        ur_rtde's own threads may be about to reconnect; a disconnect under them crashes them, or
        leaves them to fight with the next client for the robot.
        """
        self.lost = self.lost or reason

    def close(self) -> None:
        """Disconnect; waits a bounded time."""
        self.lose('closed')
        deadline = time.monotonic() + DISCONNECT_S
        for thread in _disconnect(self._devices()):
            thread.join(max(0.0, deadline - time.monotonic()))

    def ask(self, method: str, *arguments: Any, limit_s: float = ANSWER_S) -> None:
        """Call a method of `control` that waits for the script's answer; ArmError without one."""
        call = getattr(self.control, method)
        try:
            answered = _within(limit_s, lambda: call(*arguments))
        except RuntimeError as error:
            self.lose(f'{method} failed: {error}')
            raise ArmError(f'ur_rtde failed: {error}') from error
        if not answered:
            self.lose(f'no answer to {method} within {limit_s:g} s')
            raise ArmError(
                f'the robot at {self.address} did not answer {method} within {limit_s:g} s; '
                'call connect() to recover'
            )

    def _devices(self) -> list[Any]:
        return [device for device in (self.control, self.receive) if device is not None]


def _disconnect(devices: list[Any]) -> list[threading.Thread]:
    """Each sleeps half a second in disconnect, so all at once, in threads that this returns.

    They are never destroyed: their destructors hold the interpreter's lock for half a second, and
    can crash or hang on a dead peer.
    """
    threads = []
    for device in devices:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(device))
        threads.append(threading.Thread(target=device.disconnect, daemon=True))
        threads[-1].start()
    return threads


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
        raise RuntimeError(str(failure[0]))
    return not thread.is_alive()
