"""The dashboard server of a UR controller: text lines, each with a deadline."""

import re
import socket
import threading
import time

from dp_ros.hardware.arm import ArmError

DASHBOARD_PORT = 29999
# How often the pendant's remote control is looked at, and how long an answer may take.
WATCH_PERIOD_S = 1.0
WATCH_ANSWER_S = 2.0
UNLOCKED_S = 1.5


class Peer:
    """A TCP connection whose every wait ends at the deadline (time.monotonic)."""

    def __init__(self, address: str, port: int, deadline: float) -> None:
        self.name = f'{address}:{port}'
        self.deadline = deadline
        self._socket = socket.create_connection((address, port), self._left_s())

    def __enter__(self) -> 'Peer':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.settimeout(self._left_s())
        self._socket.sendall(data)

    def receive(self, size: int) -> bytes:
        data = b''
        while len(data) < size:
            self._socket.settimeout(self._left_s())
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise ConnectionError(f'{self.name} closed the connection')
            data += piece
        return data

    def _left_s(self) -> float:
        left_s = self.deadline - time.monotonic()
        if left_s <= 0.0:
            raise TimeoutError('timed out')
        return left_s


class Dashboard(Peer):
    """Questions and answers; every wait raises OSError at the deadline."""

    def __init__(self, address: str, deadline: float) -> None:
        super().__init__(address, DASHBOARD_PORT, deadline)
        try:
            self._line()  # the banner
        except OSError:
            self.close()
            raise

    def __enter__(self) -> 'Dashboard':
        return self

    def ask(self, question: str) -> str:
        """The line that answers."""
        self.send(question.encode() + b'\n')
        return self._line()

    def knows_remote_control(self) -> bool:
        """False for CB3, which has no such mode."""
        version = re.search(r'(\d+)\.\d+', self.ask('PolyscopeVersion'))
        return version is not None and int(version[1]) >= 5

    def _line(self) -> str:
        data = b''
        while not data.endswith(b'\n'):
            data += self.receive(1)
        return data.decode('utf-8', 'replace').strip()


def unlock(address: str, timeout_s: float = 3.0) -> None:
    """End a protective stop, if the robot is in one; ArmError where the controller refuses.

    A person has to ask for it, who has seen what the arm ran into.
    """
    try:
        with Dashboard(address, time.monotonic() + timeout_s) as dashboard:
            if 'PROTECTIVE_STOP' not in dashboard.ask('safetymode'):
                return
            answer = dashboard.ask('unlock protective stop')
            if 'releasing' not in answer:
                raise ArmError(f'the controller does not unlock the protective stop: {answer}')
            dashboard.ask('close safety popup')
            deadline = time.monotonic() + UNLOCKED_S
            while 'PROTECTIVE_STOP' in (mode := dashboard.ask('safetymode')):
                if time.monotonic() > deadline:
                    raise ArmError(
                        f'the controller said {answer!r} and still reports {mode!r}; look at the '
                        f'pendant'
                    )
                time.sleep(0.05)
    except OSError as error:
        raise ArmError(
            f'the dashboard of {address} does not answer ({error}); check that the robot is on'
        ) from error


class RemoteControlWatch:
    """Asks now and then, in a thread of its own, whether the robot is in remote control.

    `remote` is None as long as nobody knows, and for a CB3.
    """

    def __init__(self, address: str) -> None:
        self.remote: bool | None = None
        self._address = address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='remote control', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; it is not waited for."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._watch()
            except OSError:
                self.remote = None  # whether the link is gone is not this thread's question
            self._stop.wait(WATCH_PERIOD_S)

    def _watch(self) -> None:
        with Dashboard(self._address, time.monotonic() + WATCH_ANSWER_S) as dashboard:
            known = dashboard.knows_remote_control()
            while known and not self._stop.is_set():
                dashboard.deadline = time.monotonic() + WATCH_ANSWER_S
                self.remote = 'true' in dashboard.ask('is in remote control').lower()
                self._stop.wait(WATCH_PERIOD_S)
            if not known:
                self._stop.wait()
