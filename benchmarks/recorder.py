"""What the recorder keeps up with: `python benchmarks/recorder.py [--seconds 20]`.

Two cameras of 640 x 480 pixels, raw, and joint states at 500 Hz are published by processes of
their own, through DDS, to the recorder's process. Then the rate of the cameras is doubled until
messages are lost. On two cores the publishers take their share of the time, too.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dp_ros import atomic, bringup, yamlfile
from dp_ros.data import episode as episodes
from dp_ros.paths import share
from dp_ros.robot import Robot, load_robot
from dp_ros.ros_process import environment, free_domain
from dp_ros.running import running
from dp_ros.task import Task, load_task

WIDTH, HEIGHT = 640, 480
STATE_HZ = 500.0
JOINTS = '/joint_states'
# Frames that a publisher has ready.
DISTINCT = 30
TICKS = os.sysconf('SC_CLK_TCK')


@dataclass(frozen=True)
class Measured:
    """sent and recorded: messages by topic. cpu: share of one core that the recorder took.

    seconds: until the slowest publisher was done. dropped: heard, but not written in time.
    """

    seconds: float
    sent: dict[str, int]
    recorded: dict[str, int]
    dropped: int
    mb_per_s: float
    cpu: float

    @property
    def lost(self) -> int:
        """Messages that were sent and are not in the bag."""
        return sum(self.sent.values()) - sum(self.recorded.values())


def measure(
    folder: Path, domain: int, seconds: float, camera_hz: float, frames: str = 'raw'
) -> Measured:
    """Record what the publishers say for `seconds`; the episode is in `folder`."""
    os.environ.update(environment())
    from dp_ros.nodes.record_console import connected

    task, robot = _settings(folder)
    graph = bringup.record(task, robot, folder, frames=frames, partial=True)
    rates = {s.topic: camera_hz for s in load_task(task).cameras} | {JOINTS: STATE_HZ}
    with (
        running(graph, folder / 'logs', domain) as processes,
        connected(domain) as recorder,
        ExitStack() as stack,
    ):
        publishers = [
            stack.enter_context(_publisher(topic, hz, seconds, domain))
            for topic, hz in rates.items()
        ]
        for publisher in publishers:
            _answer(publisher, 'ready')
        started = recorder.start()
        if not started.done:
            raise RuntimeError(started.text)
        pid = processes.processes['recorder'].pid
        cpu, begun = _cpu_s(pid), time.monotonic()
        for publisher in publishers:
            _say(publisher, 'go')
        sent = {
            topic: int(_answer(publisher, 'sent'))
            for topic, publisher in zip(rates, publishers, strict=True)
        }
        taken, cpu = time.monotonic() - begun, _cpu_s(pid) - cpu
        time.sleep(0.5)
        recorder.stop(True)
        for publisher in publishers:
            _say(publisher, 'end')
    bag = Path(started.text)
    told = episodes.load(bag)
    recorded = {
        topic: told.counts.get(topic, told.counts.get(f'{topic}/compressed', 0)) for topic in sent
    }
    size = (bag / f'{bag.name}.mcap').stat().st_size
    dropped = sum(told.dropped.values())
    return Measured(taken, sent, recorded, dropped, size / taken / 1e6, cpu / taken)


def publish(topic: str, rate_hz: float, seconds: float) -> None:
    """Say serialised messages in turn, at absolute times; driven through stdin."""
    import rclpy
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import Image, JointState

    from dp_ros.nodes import topics

    rclpy.init()
    node = rclpy.create_node('publisher')
    kind = JointState if topic == JOINTS else Image
    if topic == JOINTS:
        names, zeros = [f'joint_{i}' for i in range(6)], [0.0] * 6
        messages = [JointState(name=names, position=zeros, velocity=zeros)]
    else:
        messages = []
        for pixels in _frames():
            message = Image(height=HEIGHT, width=WIDTH, encoding='rgb8', step=3 * WIDTH)
            message.data.frombytes(pixels)
            messages.append(message)
    out = node.create_publisher(kind, topic, topics.SENSOR)
    while not out.get_subscription_count():
        time.sleep(0.05)
    time.sleep(1.0)  # the recorder's side learns of it a little later
    data = [serialize_message(message) for message in messages]
    print('ready', flush=True)
    sys.stdin.readline()
    count, begun = round(rate_hz * seconds), time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begun + number / rate_hz - time.monotonic()))
        out.publish(data[number % len(data)])
    print(f'sent {count}', flush=True)
    sys.stdin.readline()
    rclpy.shutdown()


def _frames() -> Iterator[bytes]:
    """Smooth colours that drift, with the noise of a sensor (sigma 4)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for i in range(DISTINCT):
        waves = [np.sin((x + 2 * i) / 37 + c) + np.cos((y - i) / 53 - c) for c in range(3)]
        noise = rng.normal(0, 4, (HEIGHT, WIDTH, 3))
        yield np.clip(128 + 50 * np.stack(waves, axis=-1) + noise, 0, 255).astype('u1').tobytes()


def _publisher(topic: str, hz: float, seconds: float, domain: int) -> 'subprocess.Popen[str]':
    command = [sys.executable, __file__, '--publish', topic]
    command += ['--rate', str(hz), '--seconds', str(seconds)]
    variables = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
    variables['PYTHONPATH'] = str(Path(__file__).parents[1])
    variables.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=variables, stdin=pipe, stdout=pipe, text=True)


def _answer(publisher: 'subprocess.Popen[str]', word: str) -> str:
    assert publisher.stdout is not None
    said = publisher.stdout.readline()
    if not said.startswith(word):
        raise RuntimeError(f'expected {word!r} of the publisher {publisher.args}, found {said!r}')
    return said.removeprefix(word).strip()


def _say(publisher: 'subprocess.Popen[str]', word: str) -> None:
    assert publisher.stdin is not None
    publisher.stdin.write(f'{word}\n')
    publisher.stdin.flush()


def _settings(folder: Path) -> tuple[Path, Path]:
    """A task and a robot with two cameras of 640 x 480 pixels."""
    task = load_task(share('config', 'tasks', 'pusht_cell_image.yaml')).model_dump(mode='json')
    robot = load_robot(share('config', 'robots', 'ur5e_sim.yaml')).model_dump(mode='json')
    size = {'width': WIDTH, 'height': HEIGHT}
    for stream in task['observations']:
        stream |= size if stream['type'] == 'image' else {}
    for camera in robot['cameras'].values():
        camera |= size
    paths = folder / 'task.yaml', folder / 'robot.yaml'
    atomic.write_text(paths[0], yamlfile.dump(yamlfile.parse(Task, task, 'task')))
    atomic.write_text(paths[1], yamlfile.dump(yamlfile.parse(Robot, robot, 'robot')))
    return paths


def _cpu_s(pid: int) -> float:
    """CPU time of a process so far [s]: proc(5), fields 14 and 15 of stat."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    """Measure, and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument('--seconds', type=float, default=20.0)
    options.add_argument('--frames', default='raw', choices=['raw', 'jpeg', 'h264'])
    options.add_argument('--camera-hz', type=float, default=30.0)
    options.add_argument('--publish', help=argparse.SUPPRESS)
    options.add_argument('--rate', type=float, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.publish:
        publish(given.publish, given.rate, given.seconds)
        return
    console, hz = Console(), given.camera_hz
    table = Table(title=f'2 x {WIDTH}x{HEIGHT} and {STATE_HZ:.0f} Hz of state, {given.frames}')
    for heading in (
        'cameras',
        'sent',
        'recorded',
        'lost',
        'dropped',
        'within',
        'MB/s',
        'CPU',
        'load',
    ):
        table.add_column(heading, justify='right')
    while True:
        with tempfile.TemporaryDirectory() as scratch:
            found = measure(Path(scratch), free_domain(), given.seconds, hz, given.frames)
        table.add_row(
            f'{hz:.0f} Hz', str(sum(found.sent.values())), str(sum(found.recorded.values())),
            str(found.lost), str(found.dropped), f'{found.seconds:.1f} s', f'{found.mb_per_s:.0f}',
            f'{found.cpu:.0%}', f'{os.getloadavg()[0]:.1f}',
        )  # fmt: skip
        if found.lost:
            break
        hz *= 2
    console.print(table)


if __name__ == '__main__':
    main()
