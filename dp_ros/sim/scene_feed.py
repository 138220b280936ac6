"""What the cameras of the cell look at: the cell tells on a UDP port how everything stands.

A camera asks with any datagram and gets the moment and MuJoCo's generalised positions, so that
rendering needs no place in the process of the physics.
"""

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dp_ros.sim.ur_ports import AddressInUse

PORT = 30010
COORDINATES = 13  # six joints, and the T's free joint
_LAYOUT = struct.Struct(f'<q{COORDINATES}d')


@dataclass(frozen=True)
class Scene:
    """stamp_ns: ROS time at which the cell stood so; qpos (13,) as Cell.qpos."""

    stamp_ns: int
    qpos: NDArray[np.float64]


class SceneServer(asyncio.DatagramProtocol):
    """Answers each datagram with the present scene, in the loop that moves the physics."""

    def __init__(self, scene: Callable[[], Scene]) -> None:
        self._scene = scene

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    def datagram_received(self, _data: bytes, sender: tuple[str, int]) -> None:
        scene = self._scene()
        self._transport.sendto(_LAYOUT.pack(scene.stamp_ns, *scene.qpos.tolist()), sender)


async def serve(address: str, scene: Callable[[], Scene]) -> asyncio.DatagramTransport:
    """Answer on `address`; close the transport to end. Raises AddressInUse."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: SceneServer(scene), local_addr=(address, PORT)
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise AddressInUse(
            error.errno,
            f'{address}:{PORT} (UDP) is in use; expected it to be free. Stop the program that '
            f'listens there or choose another 127.x.y.z address for the simulated robot',
        ) from error
    return transport


def is_free(address: str) -> bool:
    """Whether the port could be bound on `address` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, PORT))
        except OSError:
            return False
    return True


class SceneClient:
    """Asks the cell at `address`; one thread uses it."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((address, PORT))

    def ask(self, timeout_s: float) -> Scene | None:
        """The scene of now; None if the cell does not answer in time."""
        self._drop_late_answers()
        self._socket.settimeout(timeout_s)
        try:
            self._socket.send(b'?')
            answer = self._socket.recv(_LAYOUT.size + 1)
        except OSError:  # a timeout, or nobody listens there
            return None
        if len(answer) != _LAYOUT.size:
            return None
        stamp_ns, *qpos = _LAYOUT.unpack(answer)
        return Scene(stamp_ns, np.array(qpos))

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _drop_late_answers(self) -> None:
        """An answer to an earlier question, which came after its time, is not that of now."""
        self._socket.setblocking(False)
        with contextlib.suppress(OSError):
            while True:
                self._socket.recv(_LAYOUT.size)
