"""Does a UR controller answer, and may it be controlled? Asked with plain sockets and deadlines.

ur_rtde's constructors wait without a timeout for the first data package, and they hold Python's
interpreter lock while they wait: nothing in this process, no watchdog thread either, could end
that. So they are called only after a controller has been seen to answer and to stream.
"""

import struct
import time

from dp_ros.hardware.arm import ArmError
from dp_ros.hardware.ur_dashboard import Dashboard, Peer

SCRIPT_PORT, RTDE_PORT = 30003, 30004
RTDE_VERSION = 2

_HEADER = struct.Struct('>HB')


def probe(address: str, timeout_s: float = 3.0) -> None:
    """Raise ArmError, within about timeout_s, unless the arm is ready to be connected to.

    Ready: its three ports answer, RTDE streams, it is in remote control (e-Series), powered with
    the brakes released, and in no safety stop.
    """
    deadline = time.monotonic() + timeout_s
    try:
        with Dashboard(address, deadline) as dashboard:
            _check_dashboard(dashboard)
        with Peer(address, SCRIPT_PORT, deadline):
            pass
        with Peer(address, RTDE_PORT, deadline) as rtde:
            _check_stream(rtde)
    except OSError as error:
        raise ArmError(
            f'no UR controller answers at {address} within {timeout_s:g} s ({error}); check the '
            'address, the network cable, and that the robot (or the simulation) is switched on'
        ) from error


def _check_dashboard(peer: Dashboard) -> None:
    if peer.knows_remote_control():
        remote = peer.ask('is in remote control')
        if 'true' not in remote.lower():
            raise ArmError(
                f'the robot at {peer.name} is not in remote control (it answered {remote!r}); '
                'enable Remote Control in its settings and switch to it at the top right'
            )
    mode = peer.ask('robotmode')
    if 'RUNNING' not in mode:
        raise ArmError(
            f'robot mode is {mode!r}; expected RUNNING. Switch the arm on and release the brakes'
        )
    safety = peer.ask('safetymode')
    if 'NORMAL' not in safety and 'REDUCED' not in safety:
        raise ArmError(
            f'safety mode is {safety!r}; expected NORMAL or REDUCED. Find out why the robot '
            'stopped, make the cell safe and release the stop at the pendant'
        )


def _check_stream(peer: Peer) -> None:
    """RTDE handshake up to the first data package."""
    requests = (
        ('V', struct.pack('>H', RTDE_VERSION)),
        ('O', struct.pack('>d', 125.0) + b'timestamp,'),
        ('S', b''),
    )
    for kind, payload in requests:
        peer.send(_HEADER.pack(_HEADER.size + len(payload), ord(kind)) + payload)
        answer = _receive_frame(peer, kind)
        if not answer or answer[0] == 0:
            raise ArmError(
                f'{peer.name} refused RTDE request {kind!r}; expected a UR controller that speaks '
                f'RTDE version {RTDE_VERSION} (PolyScope 3.3 or newer)'
            )
    _receive_frame(peer, 'U')


def _receive_frame(peer: Peer, kind: str) -> bytes:
    """Payload of the next frame of this kind; text messages in between are skipped."""
    while True:
        size, found = _HEADER.unpack(peer.receive(_HEADER.size))
        if size < _HEADER.size:
            raise ArmError(f'{peer.name} does not speak RTDE: it sent a frame of {size} bytes')
        payload = peer.receive(size - _HEADER.size)
        if found == ord(kind):
            return payload
