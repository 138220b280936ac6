"""The graphs that faults are done to, by name."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import yaml

from dp_ros import atomic, bringup
from dp_ros.core.backoff import Backoff
from dp_ros.paths import share
from dp_ros.robot import load_robot
from dp_ros.ros_process import Process
from tests.faults.bench import OFTEN, Bench, TestProcess
from tests.faults.proxy import Proxy
from tests.loopback import free_address

# Every command is published, so that every command can be checked.
EVERY_COMMAND = {'state_rate_hz': 125}


def cell(policy: str, address: str) -> list[Process]:
    """The simulated cell with a shipped policy."""
    graph = bringup.simulated_cell(bringup.shipped(policy), address=address)
    return [changed(p, EVERY_COMMAND) if p.name == 'executor' else p for p in graph]


def changed(process: Process, parameters: dict) -> Process:
    """The same executable, with these parameters set."""
    return replace(process, parameters={**process.parameters, **parameters})


def state_graph(out: Path) -> tuple[list[Process], str]:
    """From state, with a recorder and an idle teleoperation; and the controller's address."""
    address = free_address()
    graph = cell('state', address)
    executor = next(p for p in graph if p.name == 'executor').parameters
    task, robot = Path(executor['task']), Path(executor['robot'])
    device = share('config', 'teleop', 'joy_scripted.yaml')
    limits = {'least_free_mb': 1, 'reserve_mb': 0}
    beside = [
        *bringup.record(task, robot, out / 'recordings', operator='nobody', **limits),
        Process('teleop', {'task': task, 'device': device}),
    ]
    return bringup.supervised([*graph, *beside]), address


def state(domain: int, out: Path, backoff: Backoff | None = OFTEN) -> Bench:
    """`state_graph`, which records on a small disk."""
    recordings = out / 'recordings'
    mounted = _small_disk(recordings)
    try:
        bench = Bench('state', *state_graph(out), domain, out, backoff)
    except BaseException:
        _unmount(recordings)
        raise
    bench.extra['small disk'] = mounted
    bench.when_closed(lambda: _unmount(recordings))
    return bench


def _small_disk(folder: Path) -> bool:
    """A file system of 24 MB; False, and an ordinary folder, where that is not permitted."""
    folder.mkdir(parents=True)
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=24m', 'none', str(folder)]
    return os.getuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0


def _unmount(folder: Path) -> None:
    subprocess.run(['umount', str(folder)], capture_output=True)


def cameras(domain: int, out: Path) -> Bench:
    """From two cameras, whose processes can be told to fail; as watchful as with a real arm."""
    address = free_address()
    robot = watchful(out / 'robot.yaml')
    graph = [
        TestProcess('camera', p.parameters, node=p.node) if p.executable == 'camera' else p
        for p in cell('image', address)
    ]
    graph = [changed(p, {'robot': robot}) if 'robot' in p.parameters else p for p in graph]
    return Bench('cameras', bringup.supervised(graph), address, domain, out)


def watchful(file: Path) -> Path:
    """The cell's robot file, but for the patience with cameras: that of a real one."""
    settings = yaml.safe_load(share('config', 'robots', 'ur5e_sim.yaml').read_text())
    real = load_robot(share('config', 'robots', 'ur5e_realsense.yaml'))
    atomic.write_text(file, yaml.safe_dump({**settings, 'blind_s': real.blind_s}))
    return file


def link(domain: int, out: Path) -> Bench:
    """From state, with a switch between the executor and the controller."""
    address, behind = free_address(), free_address()
    proxy = Proxy(address, behind)
    graph = [
        changed(p, {'address': address}) if p.name == 'executor' else p
        for p in cell('state', behind)
    ]
    try:
        bench = Bench('link', bringup.supervised(graph), behind, domain, out)
    except BaseException:
        proxy.kill()
        raise
    bench.extra['proxy'] = proxy
    bench.when_closed(proxy.kill)
    return bench


def clock(domain: int, out: Path) -> Bench:
    """From state, on the time that /clock tells."""
    ticker = _Clock(domain)
    address = free_address()
    timed = bringup.supervised(
        [changed(p, {'use_sim_time': True}) for p in cell('state', address)]
    )
    try:
        bench = Bench('clock', timed, address, domain, out)
    except BaseException:
        ticker.kill()
        raise
    bench.extra['clock'] = ticker
    bench.when_closed(ticker.kill)
    return bench


class _Clock:
    """The clock in a process of its own; call it with an order."""

    def __init__(self, domain: int) -> None:
        environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
        environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'tests.faults.clock'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._process.stdout.readline()

    def __call__(self, order: str) -> None:
        self._process.stdin.write(f'{order}\n')
        self._process.stdin.flush()
        self._process.stdout.readline()

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


BENCHES: dict[str, Callable[[int, Path], Bench]] = {
    'state': state,
    'cameras': cameras,
    'link': link,
    'clock': clock,
}
