"""Records the golden bags anew: `python -m tests.replay.record_golden [NAME ...]`.

Each is a few seconds of the simulated cell with the real processes and our own recorder. A bag
that is recorded anew needs its reference made anew: `dp-ros replay ... --update-reference`.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sensor_msgs.msg import Joy
from std_srvs.srv import SetBool, Trigger

from dp_ros import atomic, bringup, yamlfile
from dp_ros.nodes import recorder, topics
from dp_ros.paths import share
from dp_ros.robot import Robot, load_robot
from dp_ros.ros_process import Process, free_domain
from dp_ros.running import Graph
from tests.loopback import free_address
from tests.system.observer import Observer, graph_of

FOLDER = Path(__file__).parent / 'golden'
DEVICE = share('config', 'teleop', 'joy_scripted.yaml')


@dataclass(frozen=True)
class Stage:
    """What a scenario can reach while its bag is being recorded and the policy commands."""

    observer: Observer
    graph: Graph

    def signal(self, process: str, number: int) -> None:
        """Send a signal to one process of the graph."""
        os.kill(self.graph.processes[process].pid, number)

    def wait(self, seconds: float) -> None:
        """Let things happen."""
        time.sleep(seconds)


def normal(stage: Stage) -> None:
    """Nothing happens but what should."""
    stage.wait(6)


def stale_camera(stage: Stage) -> None:
    """One camera falls silent; the windows are refused by its name, and the arm holds."""
    stage.wait(1.5)
    stage.signal('wrist', signal.SIGSTOP)
    stage.wait(2)
    stage.signal('wrist', signal.SIGCONT)


def late_inference(stage: Stage) -> None:
    """The policy is held up for a tenth of a second, again and again."""
    for _ in range(6):
        stage.wait(0.7)
        stage.signal('policy', signal.SIGSTOP)
        stage.wait(0.1)
        stage.signal('policy', signal.SIGCONT)


def limit_hit(stage: Stage) -> None:
    """The robot file allows a third of the speed that the policy wants."""
    stage.wait(6)


def protective_stop(stage: Stage) -> None:
    """The controller stops the arm."""
    stage.wait(2.5)
    stage.observer.ask(Trigger, topics.sim_event('protective_stop'), Trigger.Request())
    stage.wait(1.5)


def intervention(stage: Stage) -> None:
    """A person takes over for a second and a half, and gives back."""
    out = stage.observer.create_publisher(Joy, topics.JOY.name, topics.JOY.qos)

    def joy(seconds: float, pressed: bool, x: float = 0.0, y: float = 0.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = Joy(axes=[x, y, 0.0, 0.0, 0.0, 0.0], buttons=[int(pressed)])
            message.header.stamp = stage.observer.get_clock().now().to_msg()
            out.publish(message)
            time.sleep(1 / 30)

    joy(2.0, pressed=False)
    joy(1.0, pressed=True, y=0.3)
    joy(0.5, pressed=True, x=-0.3)
    joy(2.5, pressed=False)


SCENARIOS: dict[str, tuple[str, Callable[[Stage], None]]] = {
    'normal': ('state', normal),
    'stale_camera': ('image', stale_camera),
    'late_inference': ('state', late_inference),
    'limit_hit': ('state', limit_hit),
    'protective_stop': ('state', protective_stop),
    'intervention': ('state', intervention),
}


def record(name: str, scratch: Path) -> Path:
    """Record one scenario; returns the folder of its bag."""
    kind, act = SCENARIOS[name]
    policy, address = bringup.shipped(kind), free_address()
    robot = _robot(name, scratch)
    graph = bringup.simulated_cell(policy, robot, address)
    given = {'task': policy.task, 'robot': robot}
    graph.append(Process('recorder', {**given, 'folder': scratch, 'operator': name}))
    if name == 'intervention':
        graph.append(Process('teleop', {'task': policy.task, 'device': DEVICE}))
    with graph_of(graph, free_domain(), scratch) as (started, observer):
        observer.wait_for(
            lambda: (
                observer.statuses.get('observation') == 'all streams arrive'
                and observer.statuses.get('inference') == 'warm'
                and observer.statuses.get('recorder', '').startswith('ready')
            ),
            90,
            'the graph is ready',
        )
        observer.reset()
        time.sleep(2.5)  # the recorder has met everybody
        answer = observer.ask(Trigger, recorder.START_SERVICE, Trigger.Request())
        assert answer.success, answer.message
        time.sleep(0.3)
        armed = observer.arm()
        assert armed.success, armed.message
        act(Stage(observer, started))
        observer.arm(on=False)
        stopped = observer.ask(SetBool, recorder.STOP_SERVICE, SetBool.Request(data=True))
        assert stopped.success, stopped.message
    return Path(answer.message)


def _robot(name: str, scratch: Path) -> Path:
    """The robot file of the cell, with what the scenario changes."""
    robot = load_robot(share('config', 'robots', 'ur5e_sim.yaml'))
    small = {'jpeg': True, 'jpeg_quality': 50, 'rate_hz': 15}
    changes: dict[str, object] = {
        'cameras': {n: c.model_copy(update=small) for n, c in robot.cameras.items()}
    }
    if name == 'limit_hit':
        changes['cartesian'] = robot.cartesian.model_copy(update={'speed': 0.06})
    path = scratch / 'robot.yaml'
    settings: Robot = robot.model_copy(update=changes)
    atomic.write_text(path, yamlfile.dump(settings))
    return path


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix='dp_ros-golden-') as folder:
        yield Path(folder)


def main() -> None:
    """Record the scenarios named on the command line, or all of them."""
    for name in sys.argv[1:] or SCENARIOS:
        with _scratch() as scratch:
            bag = record(name, scratch)
            target = FOLDER / name / 'bag'
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(bag, target)
        size = sum(file.stat().st_size for file in target.iterdir())
        print(f'{name}: {size / 1e3:.0f} kB', flush=True)


if __name__ == '__main__':
    main()
