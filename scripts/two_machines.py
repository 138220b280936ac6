"""The demo with the policy on another machine, as far as one machine can play two. As root:

    python scripts/two_machines.py --episodes 4 -o out/two_machines

Two network namespaces with a cable between them, each with a shared memory and a machine id of
its own, stand for the machines. Executor, cell, conductor and a discovery server of Fast DDS run
in one, the policy in the other (docs/network.md). The namespaces are removed in the end.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from dp_ros import bringup
from dp_ros.paths import share
from dp_ros.ros_process import PROFILES, Process
from dp_ros.running import GraphError, running

# Machine -> its address on the cable.
MACHINES = {'robot': '10.77.0.1', 'policy': '10.77.0.2'}
SERVER = f'{MACHINES["robot"]}:11811'
DOMAIN = 0
# A process that is to believe in a machine of its own: argument 0 is the id of that machine.
APART = (
    'mount -t tmpfs tmpfs /dev/shm && echo "$0" > /dev/shm/machine-id && '
    '{ [ ! -e /etc/machine-id ] || mount --bind /dev/shm/machine-id /etc/machine-id; } && '
    'exec "$@"'
)


def main() -> None:
    """Both machines, or what one of them runs."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('-o', '--out', type=Path, default=Path('out/two_machines'))
    options.add_argument('--policy', choices=['state', 'image'], default='state')
    options.add_argument('--episodes', type=int, default=1)
    options.add_argument('--seed', type=int, default=2000)
    options.add_argument('--machine', choices=MACHINES, help=argparse.SUPPRESS)
    given = options.parse_args()
    # Whoever starts it in the background has the signal ignored, by which machines are ended.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if given.machine:
        sys.exit(on_machine(given))
    with namespaces(), discovery_server(), machine('policy'):
        robot = subprocess.run(command('robot', sys.argv[1:]), env=variables('robot'))
    sys.exit(robot.returncode)


def on_machine(given: argparse.Namespace) -> int:
    """What runs on one of the machines, until the conductor is done or this is interrupted."""
    shipped = bringup.shipped(given.policy)
    *cell, policy = bringup.simulated_cell(shipped)
    conductor = {
        'out': given.out.resolve(),
        'episodes': given.episodes,
        'seed': given.seed,
        'video': False,
        'checkpoint': shipped.checkpoint,
        'task': shipped.task,
    }
    graph = [*cell, Process('rollout', conductor, leads=True)]
    here = [policy] if given.machine == 'policy' else graph
    try:
        with running(here, given.out / f'logs_{given.machine}', DOMAIN) as processes:
            if given.machine == 'policy':
                threading.Event().wait()
            processes.wait(timeout_s=90.0 + 60.0 * given.episodes)
    except GraphError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def command(name: str, arguments: Sequence[str]) -> list[str]:
    """The command line that runs this script's part on the machine `name`."""
    return on(name, [sys.executable, __file__, *arguments, '--machine', name])


def on(name: str, program: Sequence[str]) -> list[str]:
    """The command line that runs `program` on the machine `name`."""
    number = f'{list(MACHINES).index(name) + 1:032x}'
    return [
        *('ip', 'netns', 'exec', namespace(name), 'unshare', '--mount'),
        *('sh', '-c', APART, number, *program),
    ]


def namespace(name: str) -> str:
    """The network namespace of a machine."""
    return f'dp_ros_{name}'


def variables(name: str) -> dict[str, str]:
    """What a person exports on the machine `name`."""
    return {
        **os.environ,
        PROFILES: str(share('config') / 'fastdds_network.xml'),
        'DP_ROS_ADDRESS': MACHINES[name],
        'ROS_DISCOVERY_SERVER': SERVER,
    }


@contextlib.contextmanager
def namespaces() -> Iterator[None]:
    """The machines, and the cable between them."""
    first, second = names = [namespace(name) for name in MACHINES]
    with contextlib.ExitStack() as made:
        for name in names:
            ip('netns', 'add', name)
            made.callback(ip, 'netns', 'delete', name)
        ip('link', 'add', 'lan', 'netns', first, 'type', 'veth', 'peer', 'lan', 'netns', second)
        for name, address in zip(names, MACHINES.values(), strict=True):
            ip('-n', name, 'address', 'add', f'{address}/24', 'dev', 'lan')
            for device in ('lo', 'lan'):
                ip('-n', name, 'link', 'set', device, 'up')
        yield


def ip(*arguments: str) -> None:
    """A command of iproute2."""
    subprocess.run(['ip', *arguments], check=True)


@contextlib.contextmanager
def machine(name: str) -> Iterator[None]:
    """What `name` runs, while the context lasts."""
    process = subprocess.Popen(command(name, sys.argv[1:]), env=variables(name))
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


@contextlib.contextmanager
def discovery_server() -> Iterator[None]:
    """Fast DDS's own, of the wheels or of an installed ROS 2."""
    address, port = SERVER.split(':')
    where = ['-i', '0', '-l', address, '-p', port]
    program, environment = ['fastdds', 'discovery', *where], dict(os.environ)
    wheels = Path(sys.prefix)
    if (wheels / 'bin' / 'fast-discovery-server').exists():
        # 42: to be a server; the wheel's `fastdds`, which would add it, lacks a module.
        program = [str(wheels / 'bin' / 'fast-discovery-server'), '42', *where]
        libraries = [wheels / 'lib', *wheels.glob('lib/python*/site-packages/ros_fastdds.libs')]
        environment['LD_LIBRARY_PATH'] = ':'.join(map(str, libraries))
    process = subprocess.Popen(on('robot', program), env=environment)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


if __name__ == '__main__':
    main()
