"""Loopback addresses for simulated cells: each test takes its own."""

import itertools
import os

from dp_ros.sim import scene_feed
from dp_ros.sim.ur_controller import PORTS
from dp_ros.sim.ur_ports import is_free

_counter = itertools.count()


def free_address() -> str:
    """A 127.x.y.z on which a simulated cell can take all its ports now."""
    for number in _counter:
        # 127.1.0.0 and up; the process id keeps the workers of pytest-xdist apart.
        value = (os.getpid() * 97 + number * 15_485_863) % (254 * 250 * 250)
        address = f'127.{1 + value // 62500}.{value // 250 % 250}.{2 + value % 250}'
        if is_free(address, PORTS) and scene_feed.is_free(address):
            return address
    raise AssertionError('unreachable: the counter does not end')
