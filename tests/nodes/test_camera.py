"""The camera node: its reading thread with a scripted camera, its process with a real driver."""

import os
import subprocess
import threading
import time

import cv2
import numpy as np
import pytest
import yaml
from lifecycle_msgs.msg import Transition

from dp_ros import bringup
from dp_ros.data import messages, pictures
from dp_ros.hardware.camera import CameraError, Frame, Intrinsics
from dp_ros.nodes import topics
from dp_ros.nodes.camera_loop import FIRST_PAUSE_S, CameraLoop
from dp_ros.nodes.camera_messages import camera_info_message
from dp_ros.paths import share
from dp_ros.ros_process import environment
from dp_ros.running import running
from tests.system.observer import observing

WIDTH, HEIGHT = 64, 48
RATE_HZ = 50
PERIOD_NS = round(1e9 / RATE_HZ)
LENS = Intrinsics(WIDTH, HEIGHT, 70.0, 71.0, 31.5, 23.5, distortion=(0.1, 0.2, 0.0, 0.0, 0.3))
PICTURE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


class ScriptedCamera:
    """Does what the script says, an item for each read; at its end it has nothing more.

    A number is a frame with that stamp in periods, an exception is raised. `refusals` are what
    `open` raises, one after the other, before it succeeds.
    """

    def __init__(self, script, refusals=()):
        self._script, self._refusals = list(script), list(refusals)
        self.opened_s, self.threads, self.closed = [], set(), 0
        self.done = threading.Event()

    intrinsics = LENS

    def open(self):
        self.threads.add(threading.current_thread())
        self.opened_s.append(time.monotonic())
        if self._refusals:
            raise self._refusals.pop(0)

    def read(self, timeout_s):
        self.threads.add(threading.current_thread())
        if not self._script:
            self.done.set()
            time.sleep(0.01)
            return None
        item = self._script.pop(0)
        if isinstance(item, Exception):
            raise item
        return Frame(item * PERIOD_NS, PICTURE)

    def close(self):
        self.threads.add(threading.current_thread())
        self.closed += 1


def play(camera):
    """Run the loop to the end of the script -> stamps in periods, states at changes, last state"""
    stamps, changes = [], []
    loop = CameraLoop(
        camera,
        RATE_HZ,
        lambda frame: stamps.append(frame.stamp_ns // PERIOD_NS),
        lambda: changes.append(loop.state()),
        lambda error: pytest.fail(f'crashed: {error}'),
    )
    loop.start()
    assert camera.done.wait(10)
    state = loop.state()
    assert loop.stop(2.0)
    return stamps, changes, state


def test_every_frame_is_passed_on_once():
    camera = ScriptedCamera([1, 2, 2, 2, 3, 5, 9, 10])
    stamps, changes, state = play(camera)
    assert stamps == [1, 2, 3, 5, 9, 10]
    assert (state.frames, state.repeated, state.dropped) == (6, 2, 4)
    assert state.newest_ns == 10 * PERIOD_NS
    assert state.rate_hz == pytest.approx(5 / 9 * RATE_HZ)
    assert changes == []
    assert camera.closed == 1


def test_a_clock_that_is_set_back_stops_no_frames():
    stamps, _, state = play(ScriptedCamera([100, 101, 7, 8]))
    assert stamps == [100, 101, 7, 8]
    assert state.dropped == 0


def test_a_lost_camera_is_told_and_opened_again():
    camera = ScriptedCamera([1, 2, CameraError('unplugged'), 60, 61])
    stamps, changes, state = play(camera)
    assert stamps == [1, 2, 60, 61]
    assert [change.fault for change in changes] == ['unplugged', '']
    assert changes[0].frames == 2
    assert (state.reconnects, state.fault) == (1, '')
    # The time without a camera is no loss of frames.
    assert state.dropped == 0
    assert len(camera.opened_s) == 2


def test_the_pauses_grow_until_frames_come():
    refusals = [CameraError('not there'), CameraError('not there'), CameraError('busy')]
    camera = ScriptedCamera([1, CameraError('gone'), 2], refusals)
    _, changes, state = play(camera)
    pauses = np.diff(camera.opened_s) / FIRST_PAUSE_S
    np.testing.assert_allclose(pauses, [1, 2, 4, 1], atol=0.5)
    # The same sentence twice is no news.
    assert [change.fault for change in changes] == ['not there', 'busy', '', 'gone', '']
    assert state.reconnects == 2


def test_all_calls_come_from_one_thread():
    camera = ScriptedCamera([1, CameraError('gone'), 2])
    play(camera)
    assert len(camera.threads) == 1
    assert threading.current_thread() not in camera.threads


def test_a_fault_of_the_driver_is_no_lost_camera():
    crashed = threading.Event()
    errors = []

    def on_crash(error):
        errors.append(error)
        crashed.set()

    camera = ScriptedCamera([1, ZeroDivisionError('in the driver')])
    loop = CameraLoop(camera, RATE_HZ, lambda _: None, lambda: None, on_crash)
    loop.start()
    assert crashed.wait(5)
    assert str(errors[0]) == 'in the driver'
    assert loop.stop(1.0)
    assert camera.closed == 1


def test_the_rate_is_zero_once_nothing_comes():
    camera = ScriptedCamera([1, 2, 3])
    loop = CameraLoop(camera, RATE_HZ, lambda _: None, lambda: None, pytest.fail)
    loop.start()
    assert camera.done.wait(5)
    assert loop.state().rate_hz == pytest.approx(RATE_HZ)
    time.sleep(1.1)
    assert loop.state().rate_hz == 0.0
    assert loop.state().silent_s > 1.0
    assert loop.stop(1.0)


def test_calibration_as_realsense_ros_publishes_it():
    message = camera_info_message(1_500_000_000, 'lens', (WIDTH, HEIGHT), LENS)
    assert messages.nanoseconds(message.header.stamp) == 1_500_000_000
    assert message.header.frame_id == 'lens'
    assert (message.width, message.height) == (WIDTH, HEIGHT)
    assert message.distortion_model == 'plumb_bob'
    assert list(message.d) == [0.1, 0.2, 0.0, 0.0, 0.3]
    assert message.k.tolist() == [70, 0, 31.5, 0, 71, 23.5, 0, 0, 1]
    assert message.r.tolist() == np.eye(3).ravel().tolist()
    assert message.p.tolist() == [70, 0, 31.5, 0, 0, 71, 23.5, 0, 0, 0, 1, 0]


def test_a_camera_without_calibration_says_so():
    message = camera_info_message(0, 'lens', (WIDTH, HEIGHT), None)
    assert (message.width, message.height) == (WIDTH, HEIGHT)
    assert not message.k.any()


# The process, with a video file in place of a webcam.


def robot_file(tmp_path, **camera):
    content = yaml.safe_load(share('config', 'robots', 'ur5e_sim.yaml').read_text())
    content['cameras'] = {'front': {'driver': 'webcam', 'warm_up_s': 0} | camera}
    path = tmp_path / 'robot.yaml'
    path.write_text(yaml.safe_dump(content))
    return path


def record(path, frames=400):
    code = cv2.VideoWriter.fourcc(*'FFV1')
    writer = cv2.VideoWriter(str(path), code, RATE_HZ, (WIDTH, HEIGHT))
    assert writer.isOpened()
    blue_right = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    blue_right[:, WIDTH // 2 :, 0] = 250
    for _ in range(frames):
        writer.write(blue_right)
    writer.release()


def test_jpeg_frames_of_a_webcam_that_is_unplugged_and_comes_back(tmp_path, domain):
    video = tmp_path / 'video.avi'
    record(video)
    settings = {'device': str(video), 'width': WIDTH, 'height': HEIGHT, 'rate_hz': RATE_HZ}
    robot = robot_file(tmp_path, **settings, jpeg=True)
    frames, infos, heard = [], [], []
    graph = [bringup.camera('front', robot)]
    with running(graph, tmp_path / 'logs', domain), observing(domain) as observer:
        image, info = topics.color_image('front', True), topics.camera_info('front')
        assert image.name == '/front/color/image_raw/compressed'
        assert info.name == '/front/color/camera_info'
        # As a subscriber written for realsense-ros may ask for them.
        observer.create_subscription(image.type, image.name, frames.append, topics.RELIABLE)
        observer.create_subscription(info.type, info.name, infos.append, topics.RELIABLE)
        # All of what is told: the end is told for half a second only.
        told = topics.DIAGNOSTICS
        observer.create_subscription(
            told.type, told.name, lambda m: heard.extend(s.message for s in m.status), told.qos
        )
        observer.wait_for(lambda: len(frames) > 3 and len(infos) > 3, 30, 'frames')
        # The file ends, as a webcam does that is unplugged; until it is moved back it is gone.
        video.rename(tmp_path / 'unplugged.avi')
        said = observer.statuses
        observer.wait_for(lambda: any('nothing more' in t for t in heard), 20, 'the end is told')
        observer.wait_for(lambda: 'no camera at' in said['camera/front'], 10, 'it is not there')
        time.sleep(0.3)
        (tmp_path / 'unplugged.avi').rename(video)
        before = len(frames)
        observer.wait_for(lambda: len(frames) > before + 3, 15, 'frames come again')
        observer.wait_for(lambda: said['camera/front'] == 'frames come', 3, 'that is told')
    assert frames[0].format == 'rgb8; jpeg compressed bgr8'
    assert frames[0].header.frame_id == 'front_color_optical_frame'
    pixels = pictures.array(frames[0])
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels[:, -8:, 2].min() > 200
    assert pixels[:, :8].max() < 50
    stamps = [messages.nanoseconds(frame.header.stamp) for frame in frames]
    assert len(set(stamps)) == len(stamps)
    assert {messages.nanoseconds(message.header.stamp) for message in infos} & set(stamps)
    assert not infos[0].k.any()


def test_a_deactivated_camera_is_let_go_and_opened_again(tmp_path, domain):
    video = tmp_path / 'video.avi'
    record(video, frames=5)
    settings = {'device': str(video), 'width': WIDTH, 'height': HEIGHT, 'rate_hz': RATE_HZ}
    graph = [bringup.camera('front', robot_file(tmp_path, **settings))]
    with running(graph, tmp_path / 'logs', domain), observing(domain) as observer:
        frames, image = [], topics.color_image('front', False)
        observer.create_subscription(image.type, image.name, frames.append, image.qos)
        observer.wait_for(lambda: frames, 30, 'frames')
        assert observer.change_state('front', Transition.TRANSITION_DEACTIVATE)
        said = observer.statuses
        observer.wait_for(lambda: said['camera/front'] == 'not active', 3, 'that is told')
        before = len(frames)
        time.sleep(1.0)
        assert len(frames) == before
        assert observer.change_state('front', Transition.TRANSITION_CLEANUP)
        assert observer.change_state('front', Transition.TRANSITION_CONFIGURE)
        assert observer.change_state('front', Transition.TRANSITION_ACTIVATE)
        observer.wait_for(lambda: len(frames) > before, 10, 'frames come again')
    assert (frames[0].encoding, frames[0].step) == ('rgb8', 3 * WIDTH)


def test_a_camera_that_the_robot_file_lacks_is_a_sentence(tmp_path, domain):
    robot = robot_file(tmp_path, device='/dev/video0')
    process = bringup.camera('wrist', robot)
    variables = {**os.environ, **environment(), 'ROS_DOMAIN_ID': str(domain)}
    variables.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    done = subprocess.run(
        process.command(), env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == os.EX_CONFIG
    assert "['front']" in done.stderr
    assert "'wrist'" in done.stderr
    assert 'Traceback' not in done.stderr
