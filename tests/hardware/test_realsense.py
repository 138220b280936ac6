"""A RealSense through the real library: a software device and a recording stand in for USB.

Both feed a real rs.pipeline. Unplugging is unloading the recording, or a context that no longer
lists the device.
"""

import contextlib
import itertools
import logging
import subprocess
import sys
import threading
import time

import numpy as np
import pyrealsense2 as rs
import pytest

from dp_ros.hardware import realsense, realsense_sensors
from dp_ros.hardware.camera import CameraError
from dp_ros.hardware.drivers import CAMERAS
from dp_ros.hardware.realsense import RealSense
from dp_ros.robot import RealSenseSettings

SERIAL, WIDTH, HEIGHT = '0123', 64, 48
GLOBAL = rs.timestamp_domain.global_time
# No setting that a software device lacks.
PLAIN = {
    'driver': 'realsense',
    'serial': SERIAL,
    'width': WIDTH,
    'height': HEIGHT,
    'exposure_us': None,
    'gain': None,
    'white_balance_k': None,
    'warm_up_s': 0,
}


def settings(**changes):
    return RealSenseSettings(**PLAIN | changes)


class Hub(rs.context):
    """The USB hub: what is pulled out is listed no more."""

    unplugged = False

    def query_devices(self):
        return [] if self.unplugged else super().query_devices()


class SoftwareCamera:
    """A software device with one colour sensor; picture n is all n % 256, its stamp the time.

    options: name -> (lowest, highest, step) of those that the sensor has.
    """

    def __init__(self, options=(), model=rs.distortion.inverse_brown_conrady):
        self.context = Hub()
        # Without the callback the library would forget the device at once, and so would it when
        # what the callback was handed went.
        self.kept = []
        self.context.set_devices_changed_callback(
            lambda event: self.kept.extend([event, list(event.get_new_devices())])
        )
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.serial_number, SERIAL)
        self.device.register_info(rs.camera_info.name, 'Software RealSense')
        self.sensor = self.device.add_sensor('RGB Camera')
        self.profile = self.sensor.add_video_stream(stream(model)).as_video_stream_profile()
        for name, limits in dict(options).items():
            found = rs.option_range()
            found.min, found.max, found.step = limits
            found.default = limits[0]
            self.sensor.add_option(getattr(rs.option, name), found, True)
        self.device.add_to(self.context)
        self.numbers = itertools.count(1)

    def push(self, number=None, stamp_ms=None, domain=GLOBAL, pixels=None):
        """Send a picture; returns its number."""
        number = next(self.numbers) if number is None else number
        frame = rs.software_video_frame()
        frame.profile, frame.domain, frame.frame_number = self.profile, domain, number
        frame.bpp, frame.stride = 3, 3 * WIDTH
        frame.timestamp = time.time() * 1e3 if stamp_ms is None else stamp_ms
        filled = np.full((HEIGHT, WIDTH, 3), number % 256, np.uint8)
        frame.pixels = filled if pixels is None else pixels
        self.sensor.on_video_frame(frame)
        return number

    @contextlib.contextmanager
    def streaming(self, **frames):
        """Send pictures at 30 Hz meanwhile."""
        done = threading.Event()

        def run():
            while not done.wait(1 / 30):
                self.push(**frames)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def opened(self, camera):
        """The camera, opened while pictures come."""
        with self.streaming():
            camera.open()
        while camera.read(0) is not None:  # what was still under way
            pass
        return camera

    def option(self, name):
        return self.sensor.get_option(getattr(rs.option, name))


def stream(model):
    """Description of the colour stream, with a calibration."""
    video = rs.video_stream()
    video.type, video.fmt, video.index, video.uid = rs.stream.color, rs.format.rgb8, 0, 1
    video.width, video.height, video.fps, video.bpp = WIDTH, HEIGHT, 30, 3
    lens = rs.intrinsics()
    lens.width, lens.height, lens.fx, lens.fy = WIDTH, HEIGHT, 50, 51
    lens.ppx, lens.ppy, lens.model, lens.coeffs = 32, 24, model, [0.1, 0.2, 0.3, 0.4, 0.5]
    video.intrinsics = lens
    return video


@pytest.fixture
def software():
    return SoftwareCamera()


@pytest.fixture
def camera(software):
    made = software.opened(RealSense(settings(), software.context))
    yield made
    made.close()


def test_frames_come_in_order_once_each_with_their_pixels_and_stamps(software, camera):
    for _ in range(30):
        stamp_ms = round(time.time() * 1e3, 3)
        number = software.push(stamp_ms=stamp_ms)
        frame = camera.read(1.0)
        assert frame.image.shape == (HEIGHT, WIDTH, 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert frame.image.flags.owndata
        assert (frame.image == number % 256).all()
        assert abs(frame.stamp_ns - stamp_ms * 1e6) < 1000
    assert camera.read(0.02) is None


def test_the_colours_are_in_the_order_red_green_blue(software, camera):
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    software.push(pixels=pixels)
    np.testing.assert_array_equal(camera.read(1.0).image, pixels)


def test_a_frame_keeps_its_pixels_when_the_next_ones_come(software, camera):
    number = software.push()
    first = camera.read(1.0)
    for _ in range(40):
        software.push()
        camera.read(1.0)
    assert (first.image == number % 256).all()


def test_nothing_new_is_none_after_the_timeout(camera):
    begun = time.monotonic()
    assert camera.read(0.2) is None
    assert 0.19 < time.monotonic() - begun < 1.0


def test_a_reader_that_is_late_gets_the_newest_frames(software, camera):
    for _ in range(10):
        newest = software.push()
        time.sleep(0.01)
    values = [camera.read(1.0).image[0, 0, 0] for _ in range(2)]
    assert values == [newest - 1, newest]


@pytest.mark.parametrize(
    ('number', 'later_ms'),
    [(0, 0.0), (0, 33.0), (-1, 33.0), (1, 0.0)],
    ids=['the same', 'its number again', 'an older number', 'its stamp again'],
)
def test_a_repeated_frame_is_not_returned(software, camera, number, later_ms):
    stamp_ms = time.time() * 1e3
    last = software.push(stamp_ms=stamp_ms)
    assert camera.read(1.0) is not None
    software.push(number=last + number, stamp_ms=stamp_ms + later_ms)
    assert camera.read(0.1) is None
    software.push(number=last + 2, stamp_ms=stamp_ms + 66)
    assert camera.read(1.0).image[0, 0, 0] == last + 2


def test_a_step_of_the_hosts_clock_does_not_silence_the_camera(software, camera):
    now_ms = time.time() * 1e3
    stamps = []
    for stamp_ms in (now_ms, now_ms - 60_000):
        software.push(stamp_ms=stamp_ms)
        stamps.append(camera.read(1.0).stamp_ns)
    assert abs(stamps[1] - stamps[0] + 60_000_000_000) < 1000


def test_host_time_needs_no_global_time(software, camera, caplog):
    stamp_ms = time.time() * 1e3 - 12
    software.push(stamp_ms=stamp_ms, domain=rs.timestamp_domain.system_time)
    assert abs(camera.read(1.0).stamp_ns - stamp_ms * 1e6) < 1000
    assert not caplog.records


def test_the_cameras_own_clock_is_never_passed_off_as_host_time(software, camera, caplog):
    hardware = rs.timestamp_domain.hardware_clock
    with caplog.at_level(logging.WARNING):
        for uptime_ms in (5000.0, 5033.0, 5066.0):
            before_ns = time.time_ns()
            software.push(stamp_ms=uptime_ms, domain=hardware)
            assert before_ns <= camera.read(1.0).stamp_ns <= time.time_ns()
    assert len(caplog.records) == 1
    assert 'stamped at their arrival' in caplog.text
    assert 'hardware_clock' in caplog.text


def test_the_arrival_is_that_at_the_library_not_at_the_reader(software, camera):
    arrival_ms = int(time.time() * 1e3) - 40
    software.sensor.set_metadata(rs.frame_metadata_value.time_of_arrival, arrival_ms)
    software.push(stamp_ms=5000.0, domain=rs.timestamp_domain.hardware_clock)
    assert camera.read(1.0).stamp_ns == arrival_ms * 1_000_000


def test_frames_of_the_warm_up_are_thrown_away(software):
    camera = RealSense(settings(warm_up_s=0.5), software.context)
    with software.streaming():
        begun = time.monotonic()
        camera.open()
        took_s = time.monotonic() - begun
        frame = camera.read(1.0)
    camera.close()
    assert 0.5 < took_s < 2.0
    assert frame.image[0, 0, 0] > 10


def test_intrinsics_are_the_factorys_while_it_is_open(camera):
    found = camera.intrinsics
    assert (found.width, found.height) == (WIDTH, HEIGHT)
    assert (found.fx, found.fy, found.cx, found.cy) == (50, 51, 32, 24)
    assert found.model == 'plumb_bob'
    np.testing.assert_allclose(found.distortion, [0.1, 0.2, 0.3, 0.4, 0.5])
    camera.close()
    assert camera.intrinsics is None


def test_a_fisheye_is_equidistant_with_four_coefficients():
    software = SoftwareCamera(model=rs.distortion.kannala_brandt4)
    found = realsense_sensors.intrinsics(software.profile)
    assert found.model == 'equidistant'
    np.testing.assert_allclose(found.distortion, [0.1, 0.2, 0.3, 0.4])


RANGES = {
    'enable_auto_exposure': (0, 1, 1),
    'exposure': (1, 10_000, 1),
    'gain': (0, 128, 1),
    'enable_auto_white_balance': (0, 1, 1),
    'white_balance': (2800, 6500, 10),
    'global_time_enabled': (0, 1, 1),
}


def test_fixed_settings_reach_the_sensor():
    software = SoftwareCamera(RANGES)
    for name in ('enable_auto_exposure', 'enable_auto_white_balance'):
        software.sensor.set_option(getattr(rs.option, name), 1)
    wanted = settings(exposure_us=12_000, gain=7, white_balance_k=5903)
    software.opened(RealSense(wanted, software.context)).close()
    # Exposure in UVC's 100 us; white balance to the nearest step.
    assert software.option('exposure') == 120
    assert software.option('gain') == 7
    assert software.option('white_balance') == 5900
    assert software.option('enable_auto_exposure') == 0
    assert software.option('enable_auto_white_balance') == 0
    assert software.option('global_time_enabled') == 1


def test_automatic_settings_leave_all_to_the_camera():
    software = SoftwareCamera(RANGES)
    software.opened(RealSense(settings(gain=7), software.context)).close()
    assert software.option('enable_auto_exposure') == 1
    assert software.option('enable_auto_white_balance') == 1
    assert software.option('gain') == 0


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'exposure_us': 12_000}, ['exposure_us', '12000', "'exposure'", 'exposure_us: null']),
        ({'white_balance_k': 5900}, ["'white_balance'", 'white_balance_k: null']),
    ],
)
def test_a_fixed_setting_that_the_sensor_lacks_is_refused(software, change, words):
    camera = RealSense(settings(**change), software.context)
    with software.streaming(), pytest.raises(CameraError) as caught:
        camera.open()
    assert all(word in str(caught.value) for word in words), caught.value
    with pytest.raises(CameraError, match='not open'):
        camera.read(0)


def test_a_fixed_setting_beyond_the_sensor_is_refused_with_its_range():
    software = SoftwareCamera(RANGES)
    camera = RealSense(settings(exposure_us=2e6), software.context)
    with pytest.raises(CameraError, match=r'exposure_us is 2e\+06; expected 100 to 1e\+06'):
        camera.open()


def test_another_serial_number_lists_those_connected(software):
    with pytest.raises(CameraError, match="number '999'; connected: 0123"):
        RealSense(settings(serial='999'), software.context).open()


def test_without_any_camera_it_says_so():
    with pytest.raises(CameraError, match=r"number '0123'; connected: none\. Plug it in"):
        RealSense(settings()).open()


def test_a_profile_that_it_lacks_lists_those_it_has(software):
    with pytest.raises(CameraError, match=r'at 640x480@30 rgb8 .*; it offers 64x48@30'):
        RealSense(settings(width=640, height=480), software.context).open()


def test_a_camera_without_colour_is_refused():
    device = rs.software_device()
    device.register_info(rs.camera_info.serial_number, '77')
    device.add_sensor('Stereo Module')
    with pytest.raises(CameraError, match='RealSense 77 has no colour sensor'):
        realsense_sensors.color_sensor(device)


def test_a_camera_that_sends_nothing_does_not_open(software, monkeypatch):
    monkeypatch.setattr(realsense, 'START_S', 0.2)
    camera = RealSense(settings(), software.context)
    with pytest.raises(CameraError, match=r'sent no frame for 0\.2 s .* USB 3'):
        camera.open()
    software.opened(camera).close()


def test_reading_needs_an_open_camera(software, camera):
    camera.close()
    camera.close()
    with pytest.raises(CameraError, match='call open'):
        camera.read(0.1)


def test_an_unplugged_camera_is_an_error_and_reopens_once_it_is_back(software, camera):
    software.context.unplugged = True
    with pytest.raises(CameraError, match='connected: none'):
        camera.read(0.05)
    with pytest.raises(CameraError, match='connected: none'):
        camera.open()
    software.context.unplugged = False
    software.numbers = itertools.count(1)  # a camera counts from 1 after a replug
    software.opened(camera)
    number = software.push()
    assert (camera.read(1.0).image == number).all()


def test_a_silent_camera_is_opened_again(software, camera, monkeypatch):
    monkeypatch.setattr(realsense, 'SILENCE_S', 0.2)
    assert camera.read(0.05) is None
    time.sleep(0.2)
    with pytest.raises(CameraError, match='plugged in, but sent nothing new for'):
        camera.read(0.05)
    software.opened(camera)
    software.push()
    assert camera.read(1.0) is not None


def test_an_error_of_the_library_is_one_of_the_camera(software, camera):
    def fail():
        raise RuntimeError('failed to enumerate the bus')

    software.context.query_devices = fail
    with pytest.raises(CameraError, match='broke off: failed to enumerate the bus; call open'):
        camera.read(0.01)
    with pytest.raises(CameraError, match='broke off while it was opened: failed to enumerate'):
        camera.open()


def test_close_is_bounded_when_the_pipeline_hangs(monkeypatch):
    monkeypatch.setattr(realsense, 'STOP_S', 0.1)
    released = threading.Event()
    software = SoftwareCamera()

    class Hanging(rs.pipeline):
        def stop(self):
            released.wait(10)
            super().stop()

    monkeypatch.setattr(rs, 'pipeline', Hanging)
    camera = software.opened(RealSense(settings(), software.context))
    begun = time.monotonic()
    camera.close()
    assert time.monotonic() - begun < 1.0
    released.set()


@pytest.fixture
def recording(tmp_path):
    """(path, stamps [ms]) of a recording of 60 frames at 30 Hz."""
    software, path = SoftwareCamera(), tmp_path / 'frames.db3'
    config = rs.config()
    config.enable_device(SERIAL)
    config.enable_stream(rs.stream.color, WIDTH, HEIGHT, rs.format.rgb8, 30)
    config.enable_record_to_file(str(path))
    pipeline = rs.pipeline(software.context)
    pipeline.start(config)
    stamps = []
    for _ in range(60):
        stamps.append(time.time() * 1e3)
        software.push(stamp_ms=stamps[-1])
        time.sleep(1 / 30)
    pipeline.stop()
    return path, stamps


def test_a_recording_plays_through_the_same_pipeline_frame_for_frame(recording):
    path, stamps = recording
    context = rs.context()
    loaded = context.load_device(str(path))
    camera = RealSense(settings(), context)
    camera.open()  # throws the first one away
    frames = [camera.read(1.0) for _ in range(59)]
    assert [frame.image[0, 0, 0] for frame in frames] == list(range(2, 61))
    found = np.array([frame.stamp_ns for frame in frames])
    assert np.abs(found - np.array(stamps[1:]) * 1e6).max() < 1000
    assert camera.read(0.5) is None  # the end
    assert loaded.is_connected()
    context.unload_device(str(path))
    with pytest.raises(CameraError, match='connected: none'):
        camera.read(0.1)
    camera.close()


@pytest.mark.parametrize(
    ('failure', 'remedy'),
    [
        ('libusb-1.0.so.0: cannot open shared object file', 'apt install libusb-1.0-0'),
        ("No module named 'pyrealsense2'", 'pip install pyrealsense2'),
    ],
)
def test_a_library_that_does_not_load_gives_a_sentence(tmp_path, monkeypatch, failure, remedy):
    (tmp_path / 'pyrealsense2.py').write_text(f'raise ImportError({failure!r})')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'pyrealsense2')
    with pytest.raises(CameraError) as caught:
        RealSense(settings()).open()
    assert failure in str(caught.value)
    assert remedy in str(caught.value)


def test_the_drivers_make_it_and_load_its_library_only_then():
    assert isinstance(CAMERAS['realsense'](settings()), RealSense)
    check = (
        'import sys, dp_ros.hardware.drivers; print({"pyrealsense2", "cv2"} & set(sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', check], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ('set()\n', '')
