"""What a RealSense tells and takes: the library, serial numbers, fixed settings, calibration.

The arguments `device`, `sensor` and `profile` are pyrealsense2's objects of these names.
"""

from typing import Any

from dp_ros.hardware.camera import CameraError, Intrinsics
from dp_ros.robot import RealSenseSettings


def library() -> Any:
    """The module pyrealsense2; CameraError with the way to install it where it does not load."""
    try:
        import pyrealsense2
    except ImportError as error:
        remedy = 'pip install pyrealsense2 (wheels for Python 3.10 to 3.14)'
        if 'libusb' in str(error):
            remedy = "its wheel needs the system's libusb: apt install libusb-1.0-0"
        raise CameraError(f'pyrealsense2 cannot be imported ({error}); {remedy}') from error
    return pyrealsense2


def serial_number(device: Any) -> str:
    """The serial number; '' for a device that tells none, as one in recovery mode."""
    info = library().camera_info.serial_number
    return str(device.get_info(info)) if device.supports(info) else ''


def color_sensor(device: Any) -> Any:
    """The sensor that streams colour; first_color_sensor() misses those of the D405."""
    color = library().stream.color
    for sensor in device.query_sensors():
        if any(profile.stream_type() == color for profile in sensor.get_stream_profiles()):
            return sensor
    raise CameraError(
        f'RealSense {serial_number(device)} has no colour sensor; expected a camera with one, '
        f'such as the D405, D415, D435 or D455'
    )


def color_profiles(device: Any) -> str:
    """The rgb8 profiles of the colour sensor, as '640x480@30 1280x720@30'."""
    rs = library()
    found = set()
    for profile in color_sensor(device).get_stream_profiles():
        if profile.stream_type() == rs.stream.color and profile.format() == rs.format.rgb8:
            video = profile.as_video_stream_profile()
            found.add((video.width(), video.height(), video.fps()))
    return ' '.join(f'{width}x{height}@{fps}' for width, height, fps in sorted(found))


def configure(sensor: Any, settings: RealSenseSettings) -> None:
    """Fix exposure, gain and white balance, or leave them to the camera where they are None.

    Under automatic exposure the camera chooses the gain, too: setting one would end it. Raises
    CameraError for a fixed value that the sensor cannot hold: the policy would see other pictures
    than it was trained with.
    """
    option = library().option
    if sensor.supports(option.global_time_enabled):
        sensor.set_option(option.global_time_enabled, 1)

    _switch(sensor, option.enable_auto_exposure, settings.exposure_us is None)
    if settings.exposure_us is not None:
        # Colour modules count exposure in steps of 100 us, as UVC does; depth modules (the D405
        # takes its colour from one) in microseconds.
        unit_us = 1 if sensor.is_depth_sensor() else 100
        _fix(sensor, option.exposure, settings.exposure_us, 'exposure_us', unit_us)
        if settings.gain is not None:
            _fix(sensor, option.gain, settings.gain, 'gain')

    _switch(sensor, option.enable_auto_white_balance, settings.white_balance_k is None)
    if settings.white_balance_k is not None:
        _fix(sensor, option.white_balance, settings.white_balance_k, 'white_balance_k')


def intrinsics(profile: Any) -> Intrinsics:
    """Calibration of a video stream profile, named as realsense-ros does.

    It calls Brown-Conrady and its inverse 'plumb_bob' alike; on the D415 and D435 all the
    coefficients are 0, so that they agree.
    """
    found = profile.as_video_stream_profile().get_intrinsics()
    fisheye = found.model == library().distortion.kannala_brandt4
    return Intrinsics(
        width=found.width,
        height=found.height,
        fx=found.fx,
        fy=found.fy,
        cx=found.ppx,
        cy=found.ppy,
        model='equidistant' if fisheye else 'plumb_bob',
        distortion=tuple(found.coeffs[:4] if fisheye else found.coeffs),
    )


def _switch(sensor: Any, option: Any, on: bool) -> None:
    if sensor.supports(option):
        sensor.set_option(option, float(on))


def _fix(sensor: Any, option: Any, value: float, key: str, unit: float = 1) -> None:
    """Set the option to `value` / `unit`, to the nearest step that the sensor knows."""
    if not sensor.supports(option):
        raise CameraError(
            f'the colour sensor cannot fix {key}, set to {value:g}: it has no option '
            f'{option.name!r}. Set {key}: null in the robot file'
        )
    limits = sensor.get_option_range(option)
    step = limits.step or 1.0
    wanted = limits.min + round((value / unit - limits.min) / step) * step
    if not limits.min <= wanted <= limits.max:
        raise CameraError(
            f'{key} is {value:g}; expected {limits.min * unit:g} to {limits.max * unit:g}, which '
            f'is what the colour sensor can do. Change it in the robot file'
        )
    sensor.set_option(option, wanted)
