"""Each graph as one list of processes; launch files and the command line both read it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dp_ros.data.episode import write_settings
from dp_ros.paths import share
from dp_ros.robot import Robot, load_robot
from dp_ros.task import load_task

STOP_TIMEOUT_S = 5.0
# What the demo runs if nothing else is said; shipped() knows the choices.
DEFAULT_POLICY = 'image'


@dataclass(frozen=True)
class Process:
    """One process of a graph: an executable of this package and its ROS parameters.

    leads: the graph is over when this process ends. node: its node's name, where several processes
    share an executable.
    """

    executable: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    leads: bool = False
    node: str = ''

    @property
    def name(self) -> str:
        """What distinguishes it in its graph."""
        return self.node or self.executable

    def command(self) -> list[str]:
        """The command line that starts it with this interpreter."""
        arguments = ['--ros-args']
        if self.node:
            arguments += ['-r', f'__node:={self.node}']
        for name, value in self.parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if isinstance(value, str) and not _plain(text):
                text = json.dumps(text, ensure_ascii=False)
            arguments += ['-p', f'{name}:={text}']
        return [sys.executable, '-m', f'dp_ros.nodes.{self.executable}', *arguments]


def _plain(text: str) -> bool:
    """Whether ROS, which reads parameters as YAML, takes `text` for itself, not for a number."""
    try:
        return bool(yaml.safe_load(text) == text)
    except yaml.YAMLError:
        return False


@dataclass(frozen=True)
class Policy:
    """A trained policy and the task that it does."""

    checkpoint: Path
    task: Path


def shipped(policy: str) -> Policy:
    """The policy of the demo: 'image' sees two cameras, 'state' the true pose of the T."""
    name = {'image': 'pusht_cell_image', 'state': 'pusht_cell'}[policy]
    return Policy(share('models', name), share('config', 'tasks', f'{name}.yaml'))


def trained(checkpoint: Path) -> Policy:
    """The policy in a checkpoint, with the task that it was trained for."""
    return Policy(checkpoint, checkpoint / 'task.yaml')


def cameras(task: Path, robot: Path, address: str = '') -> list[Process]:
    """One process for each camera that the task sees; address: of the simulated cell.

    Raises yamlfile.ConfigError or, where the robot file lacks one of them, ValueError.
    """
    seen = load_task(task)
    load_robot(robot).require_cameras(seen, str(robot))
    return [camera(stream.name, robot, address) for stream in seen.cameras]


def camera(name: str, robot: Path, address: str = '') -> Process:
    """The process of the camera that the robot file calls `name`."""
    parameters = {'camera': name, 'robot': robot}
    if address:
        parameters['address'] = address
    return Process('camera', parameters, node=name)


def simulated_cell(
    policy: Policy | None = None,
    robot: Path | None = None,
    address: str = '127.0.0.2',
    series: str = 'e-Series',
    rate_hz: int = 125,
) -> list[Process]:
    """The graph without its conductor: the cell, its cameras, the executor, the policy."""
    policy = policy or shipped(DEFAULT_POLICY)
    robot = robot or share('config', 'robots', 'ur5e_sim.yaml')
    task, checkpoint = policy.task, policy.checkpoint
    return [
        Process('sim', {'address': address, 'series': series}),
        *cameras(task, robot, address),
        Process(
            'executor', {'task': task, 'robot': robot, 'address': address, 'rate_hz': rate_hz}
        ),
        Process('policy', {'task': task, 'robot': robot, 'checkpoint': checkpoint}),
    ]


def demo(
    out: Path, episodes: int = 5, seed: int = 1000, video: bool = True, **cell: Any
) -> list[Process]:
    """The whole demo: the simulated cell, and the conductor that runs episodes and reports."""
    parameters = {'out': out.resolve(), 'episodes': episodes, 'seed': seed, 'video': video}
    graph = simulated_cell(**cell)
    policy = graph[-1].parameters
    parameters |= {'checkpoint': policy['checkpoint'], 'task': policy['task']}
    return [*graph, Process('rollout', parameters, leads=True)]


def robot(
    robot: Path, task: Path, checkpoint: Path | None = None, device: Path | None = None
) -> list[Process]:
    """A real arm: its cameras and the executor; a policy and a person's device where given."""
    given = {'task': task.resolve(), 'robot': robot.resolve()}
    graph = [*cameras(task, robot.resolve()), Process('executor', given)]
    if checkpoint is not None:
        graph.append(Process('policy', {**given, 'checkpoint': checkpoint.resolve()}))
    if device is not None:
        graph.append(Process('teleop', {'task': task.resolve(), 'device': device.resolve()}))
    return graph


def demonstration(
    recordings: Path,
    task: Path,
    robot: Path,
    address: str,
    episodes: int,
    seed: int,
) -> list[Process]:
    """The scripted operator teleoperates the simulated cell through Joy, and is recorded."""
    device = share('config', 'teleop', 'joy_scripted.yaml')
    given = {'task': task, 'robot': robot}
    return [
        Process('sim', {'address': address}),
        *cameras(task, robot, address),
        Process('executor', {**given, 'address': address}),
        Process('teleop', {'task': task, 'device': device}),
        Process('recorder', {**given, 'folder': recordings.resolve(), 'operator': 'scripted'}),
        Process('operator', {'episodes': episodes, 'seed': seed, 'device': device}, leads=True),
    ]


def latency(
    robot: Path, settings: Robot, out: Path, seconds: float, address: str, attach: bool
) -> list[Process]:
    """The process that times the cameras of `robot`, and unless `attach` all that it needs."""
    measuring = Process(
        'latency', {'robot': robot, 'out': out, 'seconds': float(seconds)}, leads=True
    )
    if attach:
        return [measuring]
    cell = [Process('sim', {'address': address})] if settings.simulated else []
    # Any task with Cartesian actions will do: no policy runs.
    task = share('config', 'tasks', 'pusht_cell.yaml')
    return [
        *cell,
        *(camera(name, robot, address if settings.simulated else '') for name in settings.cameras),
        Process('executor', {'task': task, 'robot': robot, 'address': address}),
        measuring,
    ]


def record(task: Path, robot: Path, folder: Path, **settings: Any) -> list[Process]:
    """The recorder beside a graph that runs; settings: further parameters of its node."""
    files = {'task': task.resolve(), 'robot': robot.resolve(), 'folder': folder.resolve()}
    return [Process('recorder', {**files, **settings})]


def replay(
    bag: Path,
    checkpoint: Path,
    out: Path,
    robot: Path | None = None,
    speed: float = 1.0,
    plays: bool = True,
) -> list[Process]:
    """A bag through a policy and an executor that moves nothing, on the time of the bag.

    Task and robot are those of the bag, unless `robot` is given. Without `plays` something else
    plays the bag, with its clock (ros2 bag play --clock). Raises BagError, yamlfile.ConfigError.
    """
    task, recorded_robot = write_settings(bag, out)
    given = {'task': task.resolve(), 'robot': (robot or recorded_robot).resolve()}
    timed = {**given, 'use_sim_time': True}
    graph = [
        Process('executor', {**timed, 'dry_run': True, 'speed': float(speed)}),
        Process('policy', {**timed, 'checkpoint': checkpoint.resolve()}),
    ]
    if plays:
        parameters = {'bag': bag.resolve(), 'speed': float(speed), 'out': out.resolve()}
        graph.append(Process('replay', parameters, leads=True))
    return graph


def environment() -> dict[str, str]:
    """What every process of a graph needs to find in its environment."""
    # Fast DDS 3 (Kilted, and the PyPI wheels) renamed the variable.
    older = os.environ.get('ROS_DISTRO') in ('humble', 'iron', 'jazzy')
    profiles = 'FASTRTPS_DEFAULT_PROFILES_FILE' if older else 'FASTDDS_DEFAULT_PROFILES_FILE'
    variables = {
        profiles: str(share('config', 'fastdds.xml')),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        # One thread for each numerical library: the graph has more processes than cores.
        'OMP_NUM_THREADS': '1',
        'OPENBLAS_NUM_THREADS': '1',
        'LP_NUM_THREADS': '0',
        'MUJOCO_GL': os.environ.get('MUJOCO_GL', 'osmesa'),
        'PYTHONUNBUFFERED': '1',
    }
    if 'ROS_DISTRO' not in os.environ:
        # The PyPI wheels keep the ament index in the venv itself.
        variables['AMENT_PREFIX_PATH'] = os.environ.get('AMENT_PREFIX_PATH', sys.prefix)
    return variables


def free_domain() -> int:
    """The ROS domain to use: the user's own if set, else a random one: graphs must not mix."""
    # 101 domains are free of port conflicts on every system (ROS 2, "The ROS_DOMAIN_ID").
    return int(os.environ.get('ROS_DOMAIN_ID', random.SystemRandom().randint(1, 101)))


class GraphError(RuntimeError):
    """A process of a graph ended before its time; the text names it and its log."""


@dataclass
class Graph:
    """Running processes, by name."""

    processes: dict[str, subprocess.Popen[bytes]]
    logs: Path
    leader: str | None

    def wait(self, timeout_s: float) -> None:
        """Until the leading process ends well; raises GraphError if another ends first."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for name, process in self.processes.items():
                code = process.poll()
                if code is None:
                    continue
                if name == self.leader and code == 0:
                    return
                if name == self.leader:
                    raise GraphError(f'{name} did not succeed; logs of the rest: {self.logs}')
                raise GraphError(
                    f'process {name!r} ended with code {code}; its last words:\n'
                    f'{last_words(self.logs / f"{name}.log")}'
                )
            time.sleep(0.1)
        raise GraphError(f'{self.leader!r} was not done within {timeout_s:.0f} s')


@contextmanager
def running(graph: Sequence[Process], logs: Path, domain: int) -> Iterator[Graph]:
    """Start the processes of `graph`, and end them all on the way out.

    What the leading process prints goes to the terminal, everything else to `logs`/<name>.log.
    """
    logs.mkdir(parents=True, exist_ok=True)
    variables = {**os.environ, **environment(), 'ROS_DOMAIN_ID': str(domain)}
    # The mark of the PyPI wheels says that this interpreter found its libraries; a child must look
    # for itself.
    variables.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    started: dict[str, subprocess.Popen[bytes]] = {}
    leader = next((p.name for p in graph if p.leads), None)
    try:
        for process in graph:
            with (logs / f'{process.name}.log').open('wb') as log:
                started[process.name] = subprocess.Popen(
                    process.command(),
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=None if process.leads else log,
                    stderr=None if process.leads else subprocess.STDOUT,
                    # Ctrl-C reaches this process alone, which then stops the rest in order.
                    start_new_session=True,
                )
        yield Graph(started, logs, leader)
    finally:
        stop(list(reversed(started.values())))


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End processes one after the other, in the order given, so that the arm can still brake.

    SIGINT first; SIGKILL for what is left after 5 seconds.
    """
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def last_words(log: Path, lines: int = 5) -> str:
    """The end of a log file, for an error message."""
    try:
        text = log.read_text(encoding='utf-8', errors='replace')
    except FileNotFoundError:
        return '(it wrote nothing)'
    return '\n'.join(text.splitlines()[-lines:]) or '(it wrote nothing)'
