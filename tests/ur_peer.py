"""A simulated UR controller in its own process, for tests of what talks to one.

As a script it runs the controller and obeys lines on stdin, each the name of one of its methods
(`protective_stop`, `release`, `jump`, ...) or `exit`, and answers each with `ok` or its result.
"""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import threading

import numpy as np

from dp_ros.sim.ur_controller import URController
from tests.loopback import free_address

START_JOINTS = (0.0, -1.8, -2.0, -0.9, 1.57, 0.0)
ROOT = pathlib.Path(__file__).resolve().parents[1]


class KinematicPlant:
    """An arm that reaches every setpoint at once."""

    def __init__(self, joints=START_JOINTS):
        self.joint_positions = np.array(joints, dtype=float)
        self.joint_velocities = np.zeros(6)

    def advance(self, joint_setpoint, duration_s):
        previous = self.joint_positions
        self.joint_positions = np.array(joint_setpoint, dtype=float)
        self.joint_velocities = (self.joint_positions - previous) / duration_s


class Peer:
    """Context manager: a controller in a child process, ready when entered."""

    def __init__(self, series='e-Series', address=None, unlock_after_s=0.3):
        self.series = series
        self.address = address or free_address()
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'tests.ur_peer', self.address, series, f'{unlock_after_s}'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._expect('ready')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self._process.stdin.close()
        self._process.stdout.close()

    def __call__(self, method):
        """Run a method of the controller in the child."""
        self._process.stdin.write(f'{method}\n')
        self._process.stdin.flush()
        self._expect('ok')

    @property
    def pid(self):
        return self._process.pid

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        """As when the power goes: no goodbye on any socket."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
        self._process.wait()

    def _expect(self, word):
        line = self._process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f'controller process said {line!r}; expected {word!r}')


async def _serve(address, series, unlock_after_s):
    plant = KinematicPlant()
    controller = URController(plant, address, series, unlock_after_s=float(unlock_after_s))
    await controller.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def obey():
        for line in sys.stdin:
            loop.call_soon_threadsafe(answer, line.strip())
        loop.call_soon_threadsafe(stop.set)

    def answer(line):
        getattr(controller, line)()
        print('ok', flush=True)

    threading.Thread(target=obey, daemon=True).start()
    print('ready', flush=True)
    await controller.run(stop)
    await controller.close()


if __name__ == '__main__':
    asyncio.run(_serve(*sys.argv[1:4]))
    # The reading thread may still hold stdin, which a normal exit would wait for.
    os._exit(0)
