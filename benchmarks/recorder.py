"""What the recorder keeps up with: `python -m benchmarks.recorder [--seconds 20]`.

Two cameras of 640 x 480 pixels, raw, and joint states at 500 Hz are published by processes of
their own, through DDS, to the recorder's process. Then the rate of the cameras is doubled until
messages are lost. On two cores the publishers take their share of the time, too. The reference is
the mcap library alone: the messages of the first row, written as fast as it can to the same disk.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import rclpy
from mcap.writer import CompressionType, Writer
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, JointState

from benchmarks import parts, report
from benchmarks.report import Headline, Result
from dp_ros import atomic, bringup, yamlfile
from dp_ros.data import episode as episodes
from dp_ros.nodes import topics
from dp_ros.nodes.record_console import connected
from dp_ros.paths import share
from dp_ros.robot import Robot, load_robot
from dp_ros.ros_process import environment, free_domain
from dp_ros.running import running
from dp_ros.task import Task, load_task

WIDTH, HEIGHT = 640, 480
STATE_HZ = 500.0
JOINTS = '/joint_states'
TASK = ('config', 'tasks', 'pusht_cell_image.yaml')
MEETING_S = 1.0
MOST_HZ = 480.0


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
    task, robot = _settings(folder)
    graph = bringup.record(task, robot, folder, frames=frames, partial=True)
    rates = {s.topic: camera_hz for s in load_task(task).cameras} | {JOINTS: STATE_HZ}
    with (
        running(graph, folder / 'logs', domain) as processes,
        connected(domain) as recorder,
        ExitStack() as stack,
    ):
        publishers = [
            stack.enter_context(parts.part('recorder', _order(topic, hz, seconds), domain))
            for topic, hz in rates.items()
        ]
        for publisher in publishers:
            parts.answer(publisher, 'ready')
        started = recorder.start()
        if not started.done:
            raise RuntimeError(started.text)
        pid = processes.processes['recorder'].pid
        cpu, begun = report.cpu_s(pid), time.monotonic()
        for publisher in publishers:
            parts.say(publisher, 'go')
        sent = {
            topic: int(parts.answer(publisher, 'sent'))
            for topic, publisher in zip(rates, publishers, strict=True)
        }
        taken, cpu = time.monotonic() - begun, report.cpu_s(pid) - cpu
        time.sleep(0.5)
        recorder.stop(True)
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
    rclpy.init()
    node = rclpy.create_node('publisher')
    kind = JointState if topic == JOINTS else Image
    out = node.create_publisher(kind, topic, topics.SENSOR)
    while not out.get_subscription_count():
        time.sleep(0.05)
    time.sleep(MEETING_S)  # the recorder's side learns of it a little later
    data = _messages(topic)
    print('ready', flush=True)
    sys.stdin.readline()
    count, begun = round(rate_hz * seconds), time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begun + number / rate_hz - time.monotonic()))
        out.publish(data[number % len(data)])
    print(f'sent {count}', flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.readline()  # what is on its way is to arrive


def mcap_alone(folder: Path, seconds: float, camera_hz: float) -> tuple[float, float]:
    """What the recorder is told in `seconds`, by the mcap library: MB/s, CPU seconds a GB.

    In one thread, uncompressed, in chunks of its own size.
    """
    cameras = [s.topic for s in load_task(share(*TASK)).cameras]
    data = {topic: _messages(topic) for topic in (*cameras, JOINTS)}
    path = folder / 'alone.mcap'
    cpu, begun = report.cpu_s(), time.monotonic()
    with path.open('wb') as file:
        writer = Writer(file, compression=CompressionType.NONE)
        writer.start(profile='ros2')
        schema = writer.register_schema('anything', 'ros2msg', b'')
        channels = {topic: writer.register_channel(topic, 'cdr', schema) for topic in data}
        for stamp_ns, topic, number in _said(cameras, seconds, camera_hz):
            message = data[topic][number % len(data[topic])]
            writer.add_message(channels[topic], stamp_ns, message, stamp_ns)
        writer.finish()
    taken, cpu = time.monotonic() - begun, report.cpu_s() - cpu
    size = path.stat().st_size
    return size / taken / 1e6, cpu / size * 1e9


def _said(cameras: list[str], seconds: float, camera_hz: float) -> Iterator[tuple[int, str, int]]:
    """When who speaks, as (stamp [ns], topic, number), a second's messages after the other."""
    rates = {**dict.fromkeys(cameras, camera_hz), JOINTS: STATE_HZ}
    for second in range(round(seconds)):
        said = [
            (round((second + i / hz) * 1e9), topic, i)
            for topic, hz in rates.items()
            for i in range(round(hz))
        ]
        yield from sorted(said)


def _messages(topic: str) -> list[bytes]:
    """Serialised messages of a topic that are said in turn."""
    if topic == JOINTS:
        names, zeros = [f'joint_{i}' for i in range(6)], [0.0] * 6
        return [serialize_message(JointState(name=names, position=zeros, velocity=zeros))]
    made = []
    for pixels in parts.frames(WIDTH, HEIGHT):
        message = Image(height=HEIGHT, width=WIDTH, encoding='rgb8', step=3 * WIDTH)
        message.data.frombytes(pixels)
        made.append(serialize_message(message))
    return made


def _order(topic: str, hz: float, seconds: float) -> list[str]:
    return ['--publish', topic, '--rate', str(hz), '--seconds', str(seconds)]


def _settings(folder: Path) -> tuple[Path, Path]:
    """A task and a robot with two cameras of 640 x 480 pixels."""
    task = load_task(share(*TASK)).model_dump(mode='json')
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


def main() -> None:
    """Measure, and tell."""
    options = report.options(__doc__, 20.0)
    options.add_argument('--frames', default='raw', choices=['raw', 'jpeg', 'h264'])
    options.add_argument('--camera-hz', type=float, default=30.0)
    options.add_argument('--publish', help='(its own)')
    options.add_argument('--rate', type=float, help='(its own)')
    given = options.parse_args()
    if given.publish:
        publish(given.publish, given.rate, given.seconds)
        return
    seconds = min(given.seconds, 5.0) if given.quick else given.seconds
    about, hz, rows, told = report.machine(), given.camera_hz, [], []
    while True:
        with tempfile.TemporaryDirectory() as scratch:
            found = measure(Path(scratch), free_domain(), seconds, hz, given.frames)
        per_gb = found.cpu / found.mb_per_s * 1e3
        rows.append([
            f'cameras at {hz:.0f} Hz', str(sum(found.sent.values())), str(found.lost),
            f'{found.seconds:.1f} s', f'{found.mb_per_s:.0f}', f'{found.cpu:.0%}', f'{per_gb:.1f}',
        ])  # fmt: skip
        told.append({'camera_hz': hz, 'lost': found.lost, 'cpu_s_per_gb': round(per_gb, 2),
                     **asdict(found)})  # fmt: skip
        if found.lost or hz >= MOST_HZ:
            break
        hz *= 2
    with tempfile.TemporaryDirectory() as scratch:
        alone_mb, alone_cpu = mcap_alone(Path(scratch), seconds, given.camera_hz)
    rows.append(['mcap alone', '', '0', '', f'{alone_mb:.0f}', '', f'{alone_cpu:.1f}'])
    whole = [row for row in told if not row['lost']]
    best = max(whole or told, key=lambda row: row['mb_per_s'])
    title = f'2 x {WIDTH}x{HEIGHT} and {STATE_HZ:.0f} Hz of state, {given.frames}'
    figures = {'rows': told, 'mcap_mb_per_s': round(alone_mb), 'mcap_cpu_s_per_gb': alone_cpu}
    report.publish(
        Result(
            'recorder',
            f'{title}, {seconds:.0f} s a row',
            'the mcap library alone, the same messages as fast as it can',
            ('', 'sent', 'lost', 'within', 'MB/s', 'CPU of a core', 'CPU s a GB'),
            rows,
            [
                Headline(
                    'recorder without loss' if whole else 'recorder, with loss',
                    f'{best["mb_per_s"]:.0f} MB/s, {best["cpu_s_per_gb"]:.1f} CPU s a GB',
                    f'{alone_mb:.0f} MB/s, {alone_cpu:.1f} CPU s a GB',
                )
            ],
            figures,
        ),
        about,
    )


if __name__ == '__main__':
    main()
