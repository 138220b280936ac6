"""A webcam through OpenCV's real VideoCapture, fed by a video file where there is no camera.

What only a V4L2 driver can answer (formats, exposure) is asked of a stand-in for the capture.
"""

import time

import cv2
import numpy as np
import pytest

from dp_ros.hardware import webcam
from dp_ros.hardware.camera import CameraError
from dp_ros.hardware.drivers import CAMERAS
from dp_ros.hardware.webcam import Webcam
from dp_ros.robot import WebcamSettings

WIDTH, HEIGHT, RATE_HZ, FRAMES = 64, 48, 30, 20


def picture(number):
    """RGB: a grey that tells the number, a red block at the left, a blue one at the right."""
    image = np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)
    image[:16, :16] = 255, 0, 0
    image[:16, -16:] = 0, 0, 255
    return image


@pytest.fixture
def video(tmp_path):
    """A lossless video of FRAMES pictures."""
    path = tmp_path / 'video.avi'
    code = cv2.VideoWriter.fourcc(*'FFV1')
    writer = cv2.VideoWriter(str(path), code, RATE_HZ, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for number in range(FRAMES):
        writer.write(cv2.cvtColor(picture(number), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def settings(path, **changes):
    plain = {
        'driver': 'webcam',
        'device': str(path),
        'width': WIDTH,
        'height': HEIGHT,
        'rate_hz': RATE_HZ,
        'warm_up_s': 0,
    }
    return WebcamSettings(**plain | changes)


@pytest.fixture
def camera(video):
    made = CAMERAS['webcam'](settings(video))
    assert isinstance(made, Webcam)
    made.open()
    yield made
    made.close()


def test_a_video_comes_back_frame_for_frame(camera):
    begun_ns = time.time_ns()
    stamps = []
    for number in range(FRAMES):
        frame = camera.read(2.0)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        # The codec holds YUV, so that a value may be one off.
        difference = np.abs(frame.image.astype(int) - picture(number))
        assert difference.max() <= 3, f'frame {number}'
        stamps.append(frame.stamp_ns)
    assert (np.diff(stamps) > 0).all()
    assert begun_ns - 2e9 < stamps[0]
    assert stamps[-1] <= time.time_ns()
    with pytest.raises(CameraError, match='sends nothing more'):
        camera.read(2.0)


def test_red_stays_red(camera):
    image = camera.read(2.0).image
    assert image[8, 8, 0] > 250
    assert image[8, 8, 2] < 5
    assert image[8, -8, 2] > 250


def test_it_opens_again_after_the_end(camera):
    for _ in range(FRAMES):
        camera.read(2.0)
    with pytest.raises(CameraError):
        camera.read(2.0)
    camera.open()
    assert camera.read(2.0).image[-1, 30].max() <= 3


def test_a_frame_that_arrived_waits_for_the_reader(camera):
    assert camera.read(2.0) is not None
    time.sleep(0.1)
    assert camera.read(0) is not None


def test_the_warm_up_throws_frames_away(video):
    camera = Webcam(settings(video, warm_up_s=30))
    with pytest.raises(CameraError, match='sends nothing more'):  # all of them
        camera.open()
    with pytest.raises(CameraError, match='not open'):
        camera.read(0)


def test_no_intrinsics(camera):
    assert camera.intrinsics is None


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'width': 640, 'height': 480}, 'gives 64x48@30, expected 640x480@30'),
        ({'rate_hz': 60}, 'gives 64x48@30, expected 64x48@60'),
    ],
)
def test_another_format_is_refused(video, change, words):
    with pytest.raises(CameraError, match=words):
        Webcam(settings(video, **change)).open()


def test_a_missing_device_lists_those_that_there_are(monkeypatch):
    found = ['/dev/video2', '/dev/video0']
    monkeypatch.setattr(webcam.glob, 'glob', lambda _: found)
    with pytest.raises(CameraError, match=r'no camera at /dev/video9; .*/dev/video0, /dev/video2'):
        Webcam(settings('/dev/video9')).open()
    found.clear()
    with pytest.raises(CameraError, match=r'there are: no /dev/video\*'):
        Webcam(settings('/dev/video9')).open()


def test_a_device_that_is_no_camera_is_refused():
    with pytest.raises(CameraError, match='/dev/null does not open'):
        Webcam(settings('/dev/null')).open()


def test_a_file_that_is_no_video_is_refused(tmp_path):
    (tmp_path / 'notes.txt').write_text('no pictures here')
    with pytest.raises(CameraError, match=r'notes\.txt does not open'):
        Webcam(settings(tmp_path / 'notes.txt')).open()


def test_reading_needs_an_open_camera(camera):
    camera.close()
    camera.close()
    with pytest.raises(CameraError, match='call open'):
        camera.read(0.1)


class Capture:
    """A V4L2 capture: `formats` maps a code to its size and rate; `frames` come from a list."""

    def __init__(self, formats=(), exposures=(), frames=()):
        self.formats, self.exposures = dict(formats), exposures
        self.frames = iter(frames)
        self.values = {}
        self.released = False

    def set(self, key, value):
        if key == cv2.CAP_PROP_EXPOSURE and value not in self.exposures:
            return False
        self.values[key] = value
        return True

    def get(self, key):
        sizes = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
        if key in sizes:
            return self.formats[self.code()][sizes.index(key)]
        return self.values.get(key, 0.0)

    def code(self):
        return int(self.values[cv2.CAP_PROP_FOURCC]).to_bytes(4, 'little').decode()

    def read(self):
        return next(self.frames, (False, None))

    def release(self):
        self.released = True


RAW = {'YUYV': (640, 480, 30), 'MJPG': (1280, 720, 30)}


@pytest.mark.parametrize(('size', 'code'), [((640, 480), 'YUYV'), ((1280, 720), 'MJPG')])
def test_raw_frames_are_preferred_and_jpeg_taken_where_only_it_is_fast_enough(size, code):
    capture = Capture(RAW)
    wanted = settings('/dev/video0', width=size[0], height=size[1])
    webcam.request(capture, wanted)
    webcam.verify(capture, wanted)
    assert capture.code() == code
    assert capture.values[cv2.CAP_PROP_BUFFERSIZE] == 1
    assert capture.values[cv2.CAP_PROP_AUTO_EXPOSURE] == webcam.APERTURE_PRIORITY


def test_a_size_that_neither_format_has_is_refused():
    capture, wanted = Capture(RAW), settings('/dev/video0', width=1920, height=1080)
    webcam.request(capture, wanted)
    with pytest.raises(CameraError, match='gives 1280x720@30, expected 1920x1080@30'):
        webcam.verify(capture, wanted)


def test_a_rate_a_little_off_is_the_rate():
    wanted = settings('/dev/video0', width=640, height=480)
    capture = Capture({'YUYV': (640, 480, 29.97)})
    webcam.request(capture, wanted)
    webcam.verify(capture, wanted)


def test_fixed_exposure_is_set_by_hand_and_checked():
    capture = Capture(RAW, exposures=(157.0,))
    webcam.request(capture, settings('/dev/video0', exposure=157))
    assert capture.values[cv2.CAP_PROP_AUTO_EXPOSURE] == webcam.MANUAL
    assert capture.values[cv2.CAP_PROP_EXPOSURE] == 157
    with pytest.raises(CameraError, match='exposure is 157, expected 100000'):
        webcam.request(capture, settings('/dev/video0', exposure=100_000))


def test_a_camera_that_is_not_read_keeps_the_newest_frame_and_its_stamp(tmp_path):
    def frames():
        for number in range(5):
            yield True, picture(number)
        arrived_ns.append(time.time_ns())
        time.sleep(0.5)

    arrived_ns = []
    (tmp_path / 'video0').touch()
    capture = Capture(frames=frames())
    reader = webcam._Reader(capture, settings(tmp_path / 'video0'), live=True)
    time.sleep(0.2)
    frame = reader.take(1.0)
    assert frame.image[-1, 30, 0] == 40
    assert frame.stamp_ns <= arrived_ns[0]
    assert reader.take(0.05) is None  # not twice
    with pytest.raises(CameraError, match='sends nothing more'):
        reader.take(2.0)
    reader.stop()
    assert capture.released


def test_a_camera_whose_device_vanished_is_gone_at_once(tmp_path):
    def frames():
        yield True, picture(0)
        time.sleep(1.0)  # OpenCV waits on

    device = tmp_path / 'video0'
    device.touch()
    reader = webcam._Reader(Capture(frames=frames()), settings(device), live=True)
    assert reader.take(1.0) is not None
    assert reader.take(0.05) is None
    device.unlink()
    with pytest.raises(CameraError, match='was unplugged'):
        reader.take(0.05)
    reader.stop()


@pytest.mark.parametrize('shape', [(HEIGHT, WIDTH), (24, 32, 3), (HEIGHT, WIDTH, 4)])
def test_a_frame_of_another_shape_is_refused(tmp_path, shape):
    capture = Capture(frames=[(True, np.zeros(shape, np.uint8))])
    reader = webcam._Reader(capture, settings(tmp_path), live=True)
    with pytest.raises(CameraError, match=r'expected uint8 frames \(48, 64, 3\), found uint8'):
        reader.take(2.0)
    reader.stop()


def test_a_camera_that_sends_nothing_does_not_open(video, monkeypatch):
    monkeypatch.setattr(webcam, 'START_S', 0.1)
    monkeypatch.setattr(webcam, 'STOP_S', 0.1)
    monkeypatch.setattr(webcam._Reader, '_run', lambda _: time.sleep(0.5))
    with pytest.raises(CameraError, match=r'sent no frame for 0\.1 s'):
        Webcam(settings(video)).open()
