"""The camera node of the package with faults: it stands in for a camera's process.

Its parameter `fault` may be set while it runs: 'stall' (no frame goes out), 'duplicate' (each
frame goes out twice), 'frozen' (the stamp of the first frame stays), 'reorder' (each second frame
goes out before the one before it), 'late' (frames are held back for half a second more).
"""

import threading

from dp_ros.hardware.camera import Frame
from dp_ros.nodes import process
from dp_ros.nodes.camera import CameraNode
from dp_ros.nodes.parameters import declare

LATE_S = 0.5


class FaultyCamera(CameraNode):
    """Only what goes out is changed; the device is read as ever."""

    def __init__(self) -> None:
        super().__init__()
        declare(self, 'fault', '', 'what is wrong with the frames', read_only=False)
        self._kept: list[Frame] = []

    def _publish(self, frame: Frame) -> None:
        fault = str(self.get_parameter('fault').value)
        if fault not in ('reorder', 'frozen'):
            self._kept.clear()
        match fault:
            case 'stall':
                return
            case 'duplicate':
                self._send(frame, frame)
            case 'frozen':
                self._kept = self._kept or [frame]
                self._send(Frame(self._kept[0].stamp_ns, frame.image))
            case 'reorder':
                self._kept.append(frame)
                if len(self._kept) == 2:
                    self._send(*reversed(self._kept))
                    self._kept.clear()
            case 'late':
                threading.Timer(LATE_S, self._send, [frame]).start()
            case _:
                self._send(frame)

    def _send(self, *frames: Frame) -> None:
        for frame in frames:
            super()._publish(frame)


if __name__ == '__main__':
    process.spin(lambda: [FaultyCamera()])
