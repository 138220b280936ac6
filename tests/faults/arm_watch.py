"""How the simulated arm really moves: an RTDE client of its own, beside that of the executor."""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

import numpy as np

from dp_ros.sim import rtde_wire as wire
from dp_ros.sim.ur_controller import RTDE_PORT

VARIABLES = ('timestamp', 'actual_TCP_speed', 'target_qd', 'actual_TCP_pose')
RATE_HZ = 125.0
RETRY_S = 0.1
# Slower than this [m/s] the tool centre point stands.
STILL = 0.01


@dataclass(frozen=True)
class Seen:
    """at_s: monotonic time of arrival; clock_s: the controller's own time; speed: of the tool
    centre point [m/s]; joint_speed: of the fastest joint [rad/s]; position (3,) [m].
    """

    at_s: float
    clock_s: float
    speed: float
    joint_speed: float
    position: np.ndarray


class ArmWatch:
    """Context manager: keeps what the controller at `address` says; connects anew if it must."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='arm watch', daemon=True)
        self.seen: list[Seen] = []

    def __enter__(self) -> 'ArmWatch':
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2.0)

    @property
    def speed(self) -> float:
        """The newest speed [m/s]; 0 before the first and where nothing has come for 0.2 s."""
        newest = self.seen[-1] if self.seen else None
        fresh = newest is not None and time.monotonic() - newest.at_s < 0.2
        return newest.speed if fresh else 0.0

    def last_motion(self, begun_s: float, ended_s: float) -> Seen | None:
        """The last motion of the arm between two moments; None if it stood."""
        for seen in reversed(self.seen):
            if seen.at_s < begun_s:
                return None
            if seen.at_s <= ended_s and seen.speed > STILL:
                return seen
        return None

    def moved_for_s(self, begun_s: float, ended_s: float) -> float:
        """How long the arm still moved after `begun_s`, in the controller's own time.

        A simulated controller that is kept from running pauses with its arm; a real one does not.
        """
        last = self.last_motion(begun_s, ended_s)
        before = [seen for seen in self.seen if seen.at_s <= begun_s]
        return last.clock_s - before[-1].clock_s if last and before else 0.0

    def forget(self) -> None:
        """Begin anew."""
        self.seen = []

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError, wire.WireError), self._connected() as link:
                self._listen(link)
            self._stop.wait(RETRY_S)

    def _connected(self) -> socket.socket:
        link = socket.create_connection((self._address, RTDE_PORT), timeout=1.0)
        names = ','.join(VARIABLES).encode()
        link.sendall(wire.frame(wire.REQUEST_PROTOCOL_VERSION, b'\0\2'))
        link.sendall(wire.frame(wire.SETUP_OUTPUTS, wire.FREQUENCY.pack(RATE_HZ) + names))
        link.sendall(wire.frame(wire.START))
        return link

    def _listen(self, link: socket.socket) -> None:
        recipe = wire.Recipe(1, VARIABLES, [wire.output_type(name) or '' for name in VARIABLES])
        buffer = bytearray()
        while not self._stop.is_set():
            try:
                data = link.recv(4096)
            except TimeoutError:
                continue
            if not data:
                return
            buffer += data
            for kind, payload in wire.take_frames(buffer):
                if kind == wire.DATA:
                    self._keep(dict(recipe.unpack(payload)))

    def _keep(self, values: dict[int, object]) -> None:
        clock_s, velocity, joints, pose = (values[i] for i in range(4))
        speed = float(np.linalg.norm(np.array(velocity)[:3]))
        fastest = float(np.abs(np.array(joints)).max())
        self.seen.append(Seen(time.monotonic(), clock_s, speed, fastest, np.array(pose)[:3]))
