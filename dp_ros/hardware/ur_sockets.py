"""Which sockets ur_rtde has opened, and whether they are still the same.

ur_rtde reconnects by itself, and then returns True as if nothing had happened. A new connection is
a new socket: its number in the file system (inode) differs. Known on Linux only.
"""

import os
import socket
from pathlib import Path

_DESCRIPTORS = Path('/proc/self/fd')

# File descriptor -> inode.
Sockets = dict[int, int]


def connected(address: str, port: int) -> Sockets:
    """The sockets of this process that are connected to a peer."""
    found: Sockets = {}
    for name in os.listdir(_DESCRIPTORS) if _DESCRIPTORS.is_dir() else ():
        try:
            if not os.readlink(_DESCRIPTORS / name).startswith('socket:'):
                continue
            with socket.socket(fileno=os.dup(int(name))) as peer:
                if peer.getpeername()[:2] == (socket.gethostbyname(address), port):
                    found[int(name)] = os.fstat(int(name)).st_ino
        except OSError:
            continue  # it was closed meanwhile, or is not connected
    return found


def same(sockets: Sockets) -> bool:
    """Whether all of them are still open; costs a microsecond each."""
    try:
        return all(os.fstat(number).st_ino == inode for number, inode in sockets.items())
    except OSError:
        return False
