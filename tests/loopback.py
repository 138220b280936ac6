"""Loopback addresses for simulated controllers: each test takes its own."""

import itertools
import os
import socket

from dp_ros.sim.ur_controller import DASHBOARD_PORT, RTDE_PORT, SCRIPT_PORT

_counter = itertools.count()


def free_address() -> str:
    """A 127.x.y.z on which the three ports of a UR controller can be bound now."""
    for number in _counter:
        # 127.1.0.0 and up; the process id keeps the workers of pytest-xdist apart.
        value = (os.getpid() * 97 + number * 15_485_863) % (254 * 250 * 250)
        address = f'127.{1 + value // 62500}.{value // 250 % 250}.{2 + value % 250}'
        if all(_bindable(address, port) for port in (DASHBOARD_PORT, SCRIPT_PORT, RTDE_PORT)):
            return address
    raise AssertionError('unreachable: the counter does not end')


def _bindable(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
