"""Writes config/security/policy.xml: what each node of the graph uses is what it is granted.

    python scripts/security_policy.py            write the file
    python scripts/security_policy.py --check    say what differs from the file, and exit with 1

It starts every process of the graph in the simulated cell, asks ROS which topics and services each
of their nodes has, and ends them. Run it where a node has got a new topic or service.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from dp_ros import bringup
from dp_ros.commands.demo import free_address
from dp_ros.paths import share
from dp_ros.ros_process import Process, environment, free_domain
from dp_ros.running import running

FILE = share('config', 'security') / 'policy.xml'
TIMEOUT_S = 180.0
# Until no node has got anything new for so long.
SETTLED_S = 8.0


def everything(scratch: Path) -> list[Process]:
    """Every process that a graph may have, at once. The simulated arm may move."""
    address, robot = free_address(), share('config', 'robots', 'ur5e_sim.yaml')
    shipped = bringup.shipped('image')
    files = {'task': shipped.task, 'robot': robot}
    people = bringup.demonstration(scratch, shipped.task, robot, address, 1, 0)
    checkpoint = {'checkpoint': shipped.checkpoint}
    # Those that lead a graph wait for it, here in vain, and so have all that they need.
    leaders = [
        Process('policy', {**files, **checkpoint}),
        Process('rollout', {'task': shipped.task, **checkpoint, 'out': scratch, 'episodes': 1}),
        Process('latency', {'robot': robot, 'out': scratch / 'latency.json'}),
        Process('calibrate_servo', {'out': scratch / 'servo.json'}),
    ]
    return bringup.supervised([*people, *leaders])


def main() -> None:
    """Look at the graph; write or compare."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument('--check', action='store_true', help='write nothing')
    given = options.parse_args()
    os.environ.update(environment())
    # ROS finds its settings in the environment.
    from dp_ros.nodes import process, security
    from dp_ros.nodes.arm_calls import ArmCalls
    from dp_ros.nodes.record_console import RecordConsole
    from dp_ros.nodes.security import Watcher

    with tempfile.TemporaryDirectory() as folder:
        graph, domain = everything(Path(folder)), free_domain()
        wanted = {node for member in graph for node in member.nodes} | {
            'record_console', 'arm_calls',
        }  # fmt: skip
        with (
            running(graph, Path(folder) / 'logs', domain),
            process.connected(Watcher, domain) as watcher,
        ):
            people = [RecordConsole(), ArmCalls()]
            found = settled(watcher, wanted)
            for node in people:
                node.destroy_node()
    text = security.policy(security.by_enclave(found, graph))
    if not given.check:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(text, encoding='utf-8')
        print(f'{len(found)} nodes; written to {FILE}')
        return
    differences = security.differences(FILE.read_text(encoding='utf-8'), text)
    print('\n'.join(differences) or f'{FILE} grants what the nodes use')
    sys.exit(bool(differences))


def settled(watcher, wanted):
    """What every node uses, once all are there and nothing has changed for a while."""
    deadline, known, since = time.monotonic() + TIMEOUT_S, {}, time.monotonic()
    while time.monotonic() < deadline:
        seen = watcher.endpoints(wanted)
        # A leader that has given up is gone; what it used is kept.
        merged = {node: known.get(node, frozenset()) | used for node, used in seen.items()}
        merged = known | merged
        if merged != known:
            known, since = merged, time.monotonic()
        missing = wanted - known.keys()
        if not missing and time.monotonic() - since > SETTLED_S:
            return known
        time.sleep(0.5)
    raise SystemExit(f'nodes that did not appear within {TIMEOUT_S:.0f} s: {sorted(missing)}')


if __name__ == '__main__':
    main()
