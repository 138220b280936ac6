"""How many cameras reach windows without loss: `python -m benchmarks.cameras [--seconds 10]`.

Each camera is a process that publishes 640x480 frames at 30 Hz as the camera node does, stamped on
the grid of the windows. One process holds the observation node: at each grid time it asks for the
window and prepares its frames for a policy. A frame that no window holds is lost. The number of
cameras is doubled until more than a hundredth is lost.

    profile   raw frames, config/fastdds.xml: a shared-memory segment that holds several frames
    default   raw frames, Fast DDS as it comes
    jpeg      CompressedImage, Fast DDS as it comes
"""

import os
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rclpy.node import Node

from benchmarks import parts, report
from benchmarks.report import Headline, Result
from dp_ros import atomic, yamlfile
from dp_ros.core.refusal import Refused
from dp_ros.nodes import convert, images, process, topics
from dp_ros.nodes.observation import ObservationNode
from dp_ros.paths import share
from dp_ros.robot import Robot, load_robot
from dp_ros.ros_process import environment, free_domain
from dp_ros.task import Task, load_task

WIDTH, HEIGHT, RATE_HZ = 640, 480, 30
PERIOD_NS = round(1e9 / RATE_HZ)
POSE_S = 1 / 60
POSE = np.array([0.4, 0.1, 0.005, 1.0, 0.0, 0.0, 0.0])
SETTINGS = ('profile', 'default', 'jpeg')
ALLOWED_LOSS = 0.01
MOST_CAMERAS = 8
TOLERANCE_S = 0.5
MEETING_S = 1.0
# What config/fastdds.xml is named by, in all versions of Fast DDS.
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


@dataclass(frozen=True)
class Measured:
    """Frames that were sent and that were in windows; CPU as shares of one core."""

    settings: str
    cameras: int
    sent: int
    in_windows: int
    per_s: float
    cpu_receiver: float
    cpu_cameras: float

    @property
    def lost(self) -> int:
        """Frames that no window held."""
        return self.sent - self.in_windows


def measure(settings: str, cameras: int, seconds: float, domain: int) -> Measured:
    """Send `cameras` streams for `seconds`, by one of SETTINGS, and count."""
    variables, count = _variables(settings), round(seconds * RATE_HZ)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        files = _files(Path(scratch), cameras, settings == 'jpeg')
        given = [part for name, path in files.items() for part in ('-p', f'{name}:={path}')]
        orders = [['--receive', str(count), '--ros-args', *given]]
        jpeg = ['--jpeg'] if settings == 'jpeg' else []
        orders += [['--send', str(i), '--frames', str(count), *jpeg] for i in range(cameras)]
        stack.enter_context(parts.part('cameras', ['--arm'], domain, variables))
        hearer, *senders = everybody = [
            stack.enter_context(parts.part('cameras', order, domain, variables))
            for order in orders
        ]
        for one in everybody:
            parts.answer(one, 'ready')
        spent = [report.cpu_s(one.pid) for one in everybody]
        begin_ns = time.time_ns() + int(MEETING_S * 1e9)
        for one in everybody:
            parts.say(one, str(begin_ns))
        for sender in senders:
            parts.answer(sender, 'sent')
        found = int(parts.answer(hearer, 'in windows'))
        cpu = [
            (report.cpu_s(one.pid) - before) / seconds
            for one, before in zip(everybody, spent, strict=True)
        ]
    return Measured(
        settings, cameras, cameras * count, found, found / seconds, cpu[0], sum(cpu[1:])
    )


class Sender(Node):
    """A camera."""

    def __init__(self, number: int, count: int, jpeg: bool) -> None:
        super().__init__(f'camera_{number}')
        self._count, self._frame_id = count, f'{_name(number)}_color_optical_frame'
        topic = topics.color_image(_name(number), jpeg)
        self._out = self.create_publisher(topic.type, topic.name, topics.RELIABLE)
        self._make = images.jpeg_message if jpeg else images.image_message
        self._pictures = [
            np.frombuffer(data, np.uint8).reshape(HEIGHT, WIDTH, 3)
            for data in parts.frames(WIDTH, HEIGHT)
        ]
        threading.Thread(target=self._send, daemon=True).start()

    def _send(self) -> None:
        while not self._out.get_subscription_count():
            time.sleep(0.05)
        time.sleep(MEETING_S)  # the other side learns of it a little later
        print('ready', flush=True)
        for number, stamp in enumerate(_grid(int(sys.stdin.readline()), self._count)):
            time.sleep(max(0.0, (stamp - time.time_ns()) / 1e9))
            picture = self._pictures[number % len(self._pictures)]
            self._out.publish(self._make(stamp, self._frame_id, picture))
        print('sent', flush=True)


class Arm(Node):
    """Says where it stands, without which there is no window."""

    def __init__(self) -> None:
        super().__init__('arm')
        self._poses = topics.TCP_POSE.publisher(self)
        self.create_timer(POSE_S, self._say_pose)

    def _say_pose(self) -> None:
        self._poses.publish(convert.pose_message(time.time_ns(), POSE))


def receiver(count: int) -> ObservationNode:
    """The policy's process without a policy: a thread asks for each window."""
    node, arrived = ObservationNode(), threading.Event()
    node.on_sample = arrived.set
    threading.Thread(target=_receive, args=(node, arrived, count), daemon=True).start()
    return node


def _receive(node: ObservationNode, arrived: threading.Event, count: int) -> None:
    print('ready', flush=True)
    stamps = _grid(int(sys.stdin.readline()), count)
    wanted, found = set(stamps), set[tuple[str, int]]()
    # The last frame is awaited.
    over = time.monotonic() + (stamps[-1] - time.time_ns()) / 1e9 + MEETING_S
    anchor = stamps[0]
    while time.monotonic() < over:
        arrived.wait(0.05)
        arrived.clear()
        newest = node.newest_anchor_ns() or 0
        while anchor <= min(newest, stamps[-1]):
            window = node.window(anchor)
            if not isinstance(window, Refused) and not isinstance(node.images(window), Refused):
                for name, held in window.frames.items():
                    found |= {(name, f.stamp_ns) for f in held if f.stamp_ns in wanted}
            anchor += PERIOD_NS
    print(f'in windows {len(found)}', flush=True)


def _grid(begin_ns: int, count: int) -> list[int]:
    """The first `count` grid times from `begin_ns` on."""
    first = -(-begin_ns // PERIOD_NS)
    return [(first + i) * PERIOD_NS for i in range(count)]


def _variables(settings: str) -> dict[str, str]:
    found = {**os.environ, **environment()}
    if settings != 'profile':
        found = {name: value for name, value in found.items() if name not in PROFILES}
        # But nothing is for the network.
        found['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    return found


def _name(number: int) -> str:
    return f'camera{number}'


def _files(folder: Path, cameras: int, jpeg: bool) -> dict[str, Path]:
    """A task that sees so many cameras, and a robot that has them."""
    task = load_task(share('config', 'tasks', 'pusht_cell.yaml')).model_dump(mode='json')
    robot = load_robot(share('config', 'robots', 'ur5e_sim.yaml')).model_dump(mode='json')
    names, size = [_name(i) for i in range(cameras)], {'width': WIDTH, 'height': HEIGHT}
    task['rate_hz'] = RATE_HZ
    task['observations'] = [
        {'type': 'pose', 'name': 'tcp', 'topic': topics.TCP_POSE.name, 'components': ['x', 'y']},
        *({'type': 'image', 'name': name, 'size': [128, 96], **size} for name in names),
    ]
    for stream in task['observations']:
        # What comes late on a busy machine is not lost.
        stream['tolerance_s'] = TOLERANCE_S
    robot['cameras'] = {
        name: {'driver': 'webcam', 'device': f'/dev/{name}', 'jpeg': jpeg, **size}
        for name in names
    }
    paths = {'task': folder / 'task.yaml', 'robot': folder / 'robot.yaml'}
    atomic.write_text(paths['task'], yamlfile.dump(yamlfile.parse(Task, task, 'task')))
    atomic.write_text(paths['robot'], yamlfile.dump(yamlfile.parse(Robot, robot, 'robot')))
    return paths


def main() -> None:
    """Measure, and tell."""
    options = report.options(__doc__, 10.0)
    options.add_argument('--most', type=int, default=MOST_CAMERAS, help='cameras')
    # How it starts its own parts.
    for name in ('--receive', '--send', '--frames'):
        options.add_argument(name, type=int, help='(its own)')
    for name in ('--jpeg', '--arm'):
        options.add_argument(name, action='store_true', help='(its own)')
    given, _ = options.parse_known_args()
    if given.receive is not None:
        process.spin(lambda: [receiver(given.receive)])
        return
    if given.send is not None:
        process.spin(lambda: [Sender(given.send, given.frames, given.jpeg)])
        return
    if given.arm:
        process.spin(lambda: [Arm()])
        return
    seconds = min(given.seconds, 4.0) if given.quick else given.seconds
    about, found = report.machine(), list[Measured]()
    for settings in SETTINGS:
        cameras = 1
        while cameras <= (min(given.most, 4) if given.quick else given.most):
            found.append(measure(settings, cameras, seconds, free_domain()))
            print(found[-1], flush=True)
            if found[-1].lost > ALLOWED_LOSS * found[-1].sent:
                break
            cameras *= 2
    report.publish(
        Result(
            'cameras',
            f'{WIDTH}x{HEIGHT} at {RATE_HZ} Hz, {seconds:.0f} s a row',
            'Fast DDS as it comes (default), and JPEG over it',
            ('settings', 'cameras', 'frames sent', 'in windows', 'lost', 'frames/s in windows',
             'CPU of the receiver', 'of all cameras'),
            [
                [row.settings, str(row.cameras), str(row.sent), str(row.in_windows),
                 str(row.lost), f'{row.per_s:.0f}', f'{row.cpu_receiver:.0%}',
                 f'{row.cpu_cameras:.0%}']
                for row in found
            ],
            [
                Headline(
                    'cameras in windows without loss', _without_loss(found, 'profile'),
                    ', '.join(f'{name} {_without_loss(found, name)}' for name in SETTINGS[1:]),
                )
            ],
            [asdict(row) for row in found],
        ),
        about,
    )  # fmt: skip


def _without_loss(found: list[Measured], settings: str) -> str:
    rows = [row for row in found if row.settings == settings]
    whole = max((row.cameras for row in rows if not row.lost), default=0)
    most = max(row.per_s for row in rows)
    return f'{whole} ({most:.0f} frames/s at most)'


if __name__ == '__main__':
    main()
