"""A SpaceMouse through pyspacemouse: neither spacenavd nor a ROS package is needed."""

from typing import Any

from dp_ros.core.teleop import Reading
from dp_ros.hardware.input_device import DeviceError
from dp_ros.teleop_config import SpaceMouseInput

AXES = ('x', 'y', 'z', 'roll', 'pitch', 'yaw')
# A read takes one report. The device sends three kinds of them, each 60 to 125 times a second.
REPORTS_AT_ONCE = 64
# A deflected mouse reports without end: one that does not has lost its radio link or its battery.
SILENT_S = 0.15
RIGHTS = (
    'see that no other program holds it (spacenavd), and that its hidraw device may be read: '
    'KERNEL=="hidraw*", ATTRS{idVendor}=="256f", MODE="0666" in /etc/udev/rules.d/99-hidraw.rules'
)


def library() -> Any:
    """The module pyspacemouse; ImportError with the way to install it."""
    try:
        import pyspacemouse
    except ImportError as error:
        raise ImportError(
            f'a SpaceMouse is read through pyspacemouse ({error}); install it with: '
            f"pip install 'pyspacemouse>=2.1'"
        ) from error
    return pyspacemouse


class SpaceMouse:
    """axes: x forward, y left, z up, and the rotations about them; full deflection is about 1.

    lib: the module pyspacemouse or a stand-in.
    """

    def __init__(self, settings: SpaceMouseInput, lib: Any = None) -> None:
        self._settings = settings
        self._lib = lib or library()
        self._device: Any = None
        self._newest, self._heard_s = -1.0, float('-inf')

    def open(self) -> str:
        """The mouse of the settings, or the first one."""
        self.close()
        connected = self._connected()
        known = [name for name, _, _ in self._lib.get_supported_devices()]
        wanted = self._settings.model
        if wanted is not None and wanted not in known:
            raise DeviceError(f'{wanted!r} is no SpaceMouse; pyspacemouse knows {known}')
        if not connected or wanted not in (None, *connected):
            raise DeviceError(
                f'no {wanted or "SpaceMouse"} is connected; found: '
                f'{", ".join(connected) or "none"}. Plug it in'
            )
        try:
            self._device = self._lib.open(
                device=wanted or connected[0], axis_convention=self._lib.AxisConvention.ROS
            )
        except RuntimeError as error:
            raise DeviceError(f'the SpaceMouse does not open ({error}); {RIGHTS}') from error
        return str(self._device.name)

    def read(self, now_s: float) -> Reading:
        """What the newest reports say; a mouse at rest sends none, so one that is silent rests."""
        if self._device is None:
            raise DeviceError('the SpaceMouse is not open; call open() first')
        try:
            for _ in range(REPORTS_AT_ONCE):
                state = self._device.read()
                if state.t == self._newest:
                    break
                self._newest, self._heard_s = state.t, now_s
        except self._lib.device.HIDException as error:
            raise DeviceError(f'the SpaceMouse was unplugged ({error})') from error
        silent = now_s - self._heard_s > SILENT_S
        axes = tuple(0.0 if silent else float(getattr(state, name)) for name in AXES)
        return Reading(axes, tuple(bool(button) for button in state.buttons))

    def close(self) -> None:
        """Let go of the device."""
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def _connected(self) -> list[str]:
        try:
            return list(self._lib.get_connected_devices())
        except RuntimeError as error:
            raise DeviceError(
                f'pyspacemouse cannot look for devices ({error}): apt-get install '
                f'libhidapi-hidraw0'
            ) from error
