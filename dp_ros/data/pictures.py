"""Image messages to pixels, read by rclpy or from a bag; nothing else reads their fields.

Pixels are views of the message's own buffer. The one copy on the way to a policy is made where
dp_ros.data.images.prepare resamples them.
"""

import zlib
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dp_ros.data.images import prepare
from dp_ros.data.messages import MessageError
from dp_ros.task import ImageStream

Pixels = NDArray[np.uint8]

RGB, BGR = 'rgb8', 'bgr8'
# Every so many rows (and, for the brightness, columns) of a raw frame are looked at.
ROW_STEP, COLUMN_STEP = 4, 8
_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'


def pixels(message: Any, stream: ImageStream) -> Pixels:
    """A view (height, width, 3) of the message's buffer, in its own order of channels.

    Raises MessageError for another size or encoding than rgb8 and bgr8 of the stream's size.
    """
    _require_size((message.width, message.height), stream)
    return _view(message)


def array(message: Any) -> Pixels:
    """Pixels (height, width, 3) RGB of any frame, raw (as a view) or JPEG; raises MessageError."""
    if _raw(message):
        frame = _view(message)
        return frame if message.encoding == RGB else frame[..., ::-1]
    return _decoded(message)[..., ::-1]


def check_jpeg(message: Any, stream: ImageStream) -> None:
    """Raise MessageError unless it is a whole JPEG of the stream's size; nothing is decoded."""
    data = np.frombuffer(message.data, np.uint8)
    if data[:2].tobytes() != _JPEG_START:
        raise MessageError(f'expected a JPEG, found format {message.format!r}')
    # Some cameras pad the end.
    if _JPEG_END not in data[-64:].tobytes():
        raise MessageError(f'the JPEG of {len(data)} bytes has no end; part of it was lost')
    size = _jpeg_size(data)
    if size is None:
        raise MessageError(f'the JPEG of {len(data)} bytes names no size')
    _require_size(size, stream)


@dataclass
class Picture:
    """A frame of `stream` as it came: what a sample of a camera holds.

    `prepared` is asked for by one thread.
    """

    message: Any
    stream: ImageStream
    _prepared: Pixels | None = field(default=None, repr=False)

    def prepared(self) -> Pixels:
        """What the policy sees (size[1], size[0], 3), RGB; made once, then kept.

        Raises MessageError for a JPEG that cannot be decoded.
        """
        if self._prepared is None:
            if _raw(self.message):
                frame, encoding = pixels(self.message, self.stream), self.message.encoding
            else:
                frame, encoding = _decoded(self.message), BGR
            seen = prepare(frame, self.stream)
            if encoding == BGR:
                # Each channel is resampled for itself, so the order may change afterwards, where
                # there are fewer pixels: in place, through a copy of one channel.
                red = seen[..., 2].copy()
                seen[..., 2] = seen[..., 0]
                seen[..., 0] = red
            seen.setflags(write=False)
            self._prepared = seen
        return self._prepared


def digest(message: Any, stream: ImageStream) -> int:
    """Of the rows that are looked at, or of a whole JPEG: equal pixels, equal digest.

    Raises MessageError where the frame is not what `stream` says.
    """
    if _raw(message):
        return zlib.crc32(pixels(message, stream)[::ROW_STEP].tobytes())
    check_jpeg(message, stream)
    return zlib.crc32(message.data)


def brightness(message: Any, stream: ImageStream) -> float:
    """Mean of the pixels, 0..255, from a few of them; a JPEG is decoded at an eighth of its size.

    Raises MessageError where the frame is not what `stream` says.
    """
    if _raw(message):
        return float(pixels(message, stream)[::ROW_STEP, ::COLUMN_STEP].mean())
    data = np.frombuffer(message.data, np.uint8)
    small = cv2.imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_8)
    if small is None:
        raise MessageError('the JPEG cannot be decoded')
    return float(small.mean())


def _raw(message: Any) -> bool:
    """Whether it is a sensor_msgs/Image; the alternative is a CompressedImage."""
    return hasattr(message, 'encoding')


def _view(message: Any) -> Pixels:
    if message.encoding not in (RGB, BGR):
        raise MessageError(f'expected encoding {RGB} or {BGR}, found {message.encoding!r}')
    step, needed = message.step, 3 * message.width
    if step < needed or len(message.data) < step * message.height:
        raise MessageError(
            f'expected {message.height} rows of at least {needed} bytes, found rows of {step} and '
            f'{len(message.data)} bytes in all'
        )
    shape, strides = (message.height, message.width, 3), (step, 3, 1)
    return np.ndarray(shape, np.uint8, np.frombuffer(message.data, np.uint8), 0, strides)


def _decoded(message: Any) -> Pixels:
    data = np.frombuffer(message.data, np.uint8)
    frame: Any = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if frame is None:
        raise MessageError('the JPEG cannot be decoded')
    return np.asarray(frame, np.uint8)


def _require_size(found: tuple[int, int], stream: ImageStream) -> None:
    if found != (stream.width, stream.height):
        raise MessageError(
            f'expected frames of {stream.width} x {stream.height} pixels, found '
            f'{found[0]} x {found[1]}'
        )


def _jpeg_size(data: Pixels) -> tuple[int, int] | None:
    """Width and height from the start-of-frame segment (ITU-T T.81, B.2.2)."""
    at = 2
    while at + 9 <= len(data):
        marker, length = int(data[at + 1]), int(data[at + 2]) << 8 | int(data[at + 3])
        # C4, C8 and CC define tables; the other markers from C0 to CF begin a frame.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int(data[at + 5]) << 8 | int(data[at + 6])
            width = int(data[at + 7]) << 8 | int(data[at + 8])
            return width, height
        at += 2 + length
    return None
