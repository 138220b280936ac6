"""A camera of the simulated cell, looking at a cell that stands in a thread of this process."""

import asyncio
import contextlib
import ctypes.util
import itertools
import os
import socket
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from dp_ros.hardware.camera import CameraError
from dp_ros.robot import CellCameraSettings
from dp_ros.sim import pusht, scene_feed
from dp_ros.sim.camera import CellCamera
from dp_ros.sim.cell import READY_JOINTS, Cell
from dp_ros.sim.cell_model import BLOCK_HALF_HEIGHT_M, block_qpos
from dp_ros.sim.render import SceneRenderer
from dp_ros.sim.scene_feed import Scene, SceneClient
from dp_ros.sim.ur_ports import AddressInUse
from tests.loopback import free_address

needs_gl = pytest.mark.skipif(
    ctypes.util.find_library('OSMesa') is None, reason='no libosmesa6 on this machine'
)
# Before the arm; the ends of its bar, which lies across the view, show no side to the camera.
BLOCK = np.array([0.64, 0.0, np.pi / 2])
QPOS = np.concatenate([READY_JOINTS, block_qpos(BLOCK)])


class StandingCell:
    """Answers at `address` while entered; the time of each answer is kept."""

    def __init__(self, address):
        self.address, self.asked_ns = address, []

    def __enter__(self):
        ready = threading.Event()

        async def answer():
            self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
            feed = await scene_feed.serve(self.address, self._scene)
            ready.set()
            await self._ended.wait()
            feed.close()
            await asyncio.sleep(0)

        self._thread = threading.Thread(target=lambda: asyncio.run(answer()))
        self._thread.start()
        assert ready.wait(5)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _scene(self):
        self.asked_ns.append(time.time_ns())
        return Scene(self.asked_ns[-1], QPOS)


@pytest.fixture
def cell():
    with StandingCell(free_address()) as standing:
        yield standing


@contextlib.contextmanager
def camera(cell, **changes):
    steady = {'driver': 'cell', 'view': 'overhead', 'jitter_s': 0, 'drop': 0, 'delay_s': 0}
    made = CellCamera(cell.address, CellCameraSettings(**steady | changes), seed=5)
    try:
        made.open()
        yield made
    finally:
        made.close()


def frames_of(camera, count):
    """`count` frames and when each came [ns]."""
    found = []
    while len(found) < count:
        frame = camera.read(1.0)
        assert frame is not None
        found.append((time.time_ns(), frame))
    return found


def test_the_feed_tells_the_scene_exactly(cell):
    client = SceneClient(cell.address)
    scene = client.ask(1.0)
    client.close()
    assert scene.stamp_ns == cell.asked_ns[-1]
    np.testing.assert_array_equal(scene.qpos, QPOS)
    assert not scene_feed.is_free(cell.address)


def test_a_second_cell_at_the_address_is_refused(cell):
    with pytest.raises(AddressInUse, match=cell.address):
        asyncio.run(scene_feed.serve(cell.address, lambda: None))


def test_nobody_at_the_address_is_no_answer():
    address = free_address()
    assert scene_feed.is_free(address)
    client = SceneClient(address)
    begun = time.monotonic()
    assert client.ask(1.0) is None
    assert time.monotonic() - begun < 1.5
    client.close()


def test_a_cell_that_hangs_is_no_answer():
    address = free_address()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((address, scene_feed.PORT))
        client = SceneClient(address)
        begun = time.monotonic()
        assert client.ask(0.2) is None
        assert 0.15 < time.monotonic() - begun < 1.0
        # Its answer to the first question comes when the second one is put: it is not taken.
        _, sender = silent.recvfrom(10)
        silent.sendto(bytes(struct.calcsize('<q13d')), sender)
        assert client.ask(0.2) is None
        client.close()


def test_the_cell_gives_what_the_feed_carries():
    cell = Cell()
    cell.reset(pusht.sample_start(np.random.default_rng(3)))
    assert cell.qpos.shape == (scene_feed.COORDINATES,)


@needs_gl
def test_frames_come_at_the_rate_and_are_never_the_same(cell):
    with camera(cell, rate_hz=30) as made:
        frames = frames_of(made, 45)
    stamps = np.array([frame.stamp_ns for _, frame in frames])
    assert set(stamps) <= set(cell.asked_ns)
    assert np.all(np.diff(stamps) > 0)
    # The grid of captures is kept although rendering takes time: no drift, whatever was missed.
    periods = np.diff(stamps) * 30 / 1e9
    assert np.median(np.abs(periods - np.rint(periods))) < 0.2
    images = [frame.image for _, frame in frames]
    for before, after in itertools.pairwise(images):
        assert np.any(before != after)
    assert images[0].shape == (240, 320, 3)
    assert images[0].dtype == np.uint8
    assert images[0].flags['C_CONTIGUOUS']


@needs_gl
def test_frames_are_as_late_as_the_settings_say(cell):
    # The delay is longer than a period: captures go on meanwhile.
    with camera(cell, rate_hz=30, delay_s=0.1, jitter_s=0.03) as made:
        frames = frames_of(made, 45)
    late_s = np.array([(came - frame.stamp_ns) / 1e9 for came, frame in frames])
    assert late_s.min() > 0.097
    assert 0.1 <= np.median(late_s) < 0.15
    assert np.ptp(late_s) > 0.015
    stamps = [frame.stamp_ns for _, frame in frames]
    assert np.median(np.diff(stamps)) < 0.05e9


@needs_gl
def test_stamps_lie_behind_the_capture_as_asked(cell):
    with camera(cell, stamp_late_s=0.25) as made:
        ((_, frame),) = frames_of(made, 1)
    assert frame.stamp_ns - 250_000_000 in cell.asked_ns


@needs_gl
def test_a_share_of_the_frames_is_lost_by_the_seed(cell):
    def gaps():
        with camera(cell, rate_hz=60, drop=0.5) as made:
            stamps = [frame.stamp_ns for _, frame in frames_of(made, 40)]
        return np.rint(np.diff(stamps) * 60 / 1e9).astype(int)

    first = gaps()
    # 40 of about 80 captures; 3.5 standard deviations of the binomial each way.
    assert 55 < first.sum() < 115
    assert first.max() > 1
    # A machine that stalls may shift a gap, not all of them.
    assert np.mean(first == gaps()) > 0.7


@needs_gl
def test_a_cell_that_goes_is_an_error_and_can_be_found_again():
    address = free_address()
    with StandingCell(address) as standing:
        made = CellCamera(address, CellCameraSettings(driver='cell', view='wrist'))
        made.open()
        frames_of(made, 3)
        assert len(standing.asked_ns) >= 3
    with pytest.raises(CameraError, match=rf'{address}:{scene_feed.PORT}'):
        frames_of(made, 10)
    with pytest.raises(CameraError, match='sim process'):
        made.open()
    before_ns = time.time_ns()
    with StandingCell(address):
        made.open()
        ((_, frame),) = frames_of(made, 1)
        # Nothing from before the loss is handed over.
        assert frame.stamp_ns > before_ns
    made.close()


@needs_gl
def test_none_when_no_frame_is_due(cell):
    with camera(cell, rate_hz=1) as made:
        frames_of(made, 1)
        begun = time.monotonic()
        assert made.read(0.05) is None
        assert 0.04 < time.monotonic() - begun < 0.5


@needs_gl
def test_it_sees_what_data_sets_are_rendered_with():
    with SceneRenderer(64, 48, 'overhead') as renderer:
        np.testing.assert_array_equal(renderer.view(QPOS), renderer.frame(READY_JOINTS, BLOCK))


@needs_gl
def test_intrinsics_are_those_of_the_picture(cell):
    with camera(cell) as made:
        lens = made.intrinsics
        ((_, frame),) = frames_of(made, 1)
    assert (lens.width, lens.height) == (320, 240)
    with SceneRenderer(64, 48, 'overhead') as renderer:
        renderer.view(QPOS)
        place = renderer.data.cam('overhead').xpos
        # MuJoCo's camera looks along -z with y up; the optical frame has z ahead and y down.
        axes = renderer.data.cam('overhead').xmat.reshape(3, 3) * [1, -1, -1]

    def colour(point):
        x, y, z = (np.array([*point, 2 * BLOCK_HALF_HEIGHT_M]) - place) @ axes
        column, row = round(lens.fx * x / z + lens.cx), round(lens.fy * y / z + lens.cy)
        return frame.image[row, column].astype(int)

    def is_blue(point):
        red, _, blue = colour(point)
        return blue > red + 50

    def at(x, y):
        return pusht.to_base_frame(np.array([x, y]), BLOCK)

    # Along the bar, 5 mm (two pixels) to either side of its ends.
    assert is_blue(at(0, 0.015))
    assert is_blue(at(-0.055, 0.015))
    assert is_blue(at(0.055, 0.015))
    assert not is_blue(at(-0.065, 0.015))
    assert not is_blue(at(0.065, 0.015))


def test_a_machine_that_cannot_render_is_told(cell):
    look = f"""
from dp_ros.hardware.camera import CameraError
from dp_ros.robot import CellCameraSettings
from dp_ros.sim.camera import CellCamera

camera = CellCamera({cell.address!r}, CellCameraSettings(driver='cell', view='wrist'))
try:
    camera.open()
except CameraError as error:
    print(error)
"""
    environment = {**os.environ, 'MUJOCO_GL': 'glfw'}
    environment.pop('DISPLAY', None)
    environment.pop('WAYLAND_DISPLAY', None)
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', look],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert 'libosmesa6' in done.stdout, done.stderr
