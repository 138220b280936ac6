"""H.264 in a bag: each message an access unit (foxglove_msgs/CompressedVideo), and back to frames.

Foxglove's rules for the format hold: Annex B, no B-frames, parameter sets before each key frame,
one frame a message. The colours are subsampled (4:2:0).
"""

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.error import FFmpegError
from av.video.frame import PictureType

from dp_ros.data import pictures
from dp_ros.data.bag_writer import TYPES, VIDEO
from dp_ros.data.messages import MessageError, nanoseconds
from dp_ros.data.stream_inputs import RAW_IMAGE

SUFFIX = '/video'
# A reader may begin at every key frame. Where nothing moves, the frames between two of them come
# back alike, which after a second would look like a camera that has frozen (core/frame_watch.py).
KEY_FRAME_PERIOD_NS = 500_000_000


class VideoCodec:
    """Encodes the frames of one topic (FrameCodec); all have the size of the first."""

    def __init__(self, topic: str, crf: int) -> None:
        self.stored, self.shown = (topic + SUFFIX, VIDEO), topic
        self._crf = crf
        self._size = (0, 0)
        self._encoder: Any = None
        self._count, self._key_ns = 0, 0

    def encode(self, cdr: bytes) -> bytes:
        message: Any = TYPES.deserialize_cdr(cdr, RAW_IMAGE)
        rgb = np.ascontiguousarray(pictures.array(message))
        height, width = rgb.shape[:2]
        if self._encoder is None:
            self._open(width, height)
        if (width, height) != self._size:
            before = ' x '.join(map(str, self._size))
            raise MessageError(f'expected frames of {before} pixels, found {width} x {height}')
        frame = av.VideoFrame.from_ndarray(rgb, 'rgb24')
        frame.pts, self._count = self._count, self._count + 1
        stamp_ns = nanoseconds(message.header.stamp)
        if abs(stamp_ns - self._key_ns) >= KEY_FRAME_PERIOD_NS:
            frame.pict_type, self._key_ns = PictureType.I, stamp_ns
        try:
            data = b''.join(bytes(packet) for packet in self._encoder.encode(frame))
        except FFmpegError as error:
            raise MessageError(f'the frame cannot be encoded as H.264: {error}') from None
        video = TYPES.types[VIDEO](
            timestamp=message.header.stamp,
            frame_id=message.header.frame_id,
            data=np.frombuffer(data, np.uint8),
            format='h264',
        )
        return bytes(TYPES.serialize_cdr(video, VIDEO))

    def _open(self, width: int, height: int) -> None:
        if width % 2 or height % 2:
            raise MessageError(f'H.264 needs even sizes, found {width} x {height} pixels')
        encoder: Any = av.CodecContext.create('libx264', 'w')
        encoder.width, encoder.height, encoder.pix_fmt = width, height, 'yuv420p'
        encoder.time_base, encoder.framerate = Fraction(1, 30), Fraction(30)
        encoder.thread_count = 1
        encoder.options = {
            'preset': 'ultrafast',
            'tune': 'zerolatency',
            'crf': str(self._crf),
            'x264-params': 'keyint=infinite:scenecut=0:repeat-headers=1:annexb=1',
        }
        self._encoder, self._size = encoder, (width, height)


class VideoDecoder:
    """Turns the messages of one video topic, in their order, back into sensor_msgs/Image."""

    def __init__(self) -> None:
        self._decoder: Any = av.CodecContext.create('h264', 'r')
        self._decoder.thread_count = 1
        self._decoder.flags |= Flags.low_delay

    def decode(self, cdr: bytes) -> bytes:
        """A CompressedVideo -> an Image in rgb8, both CDR; raises MessageError."""
        message: Any = TYPES.deserialize_cdr(cdr, VIDEO)
        try:
            frames = self._decoder.decode(av.Packet(bytes(message.data)))
        except FFmpegError as error:
            raise MessageError(f'a frame of the video cannot be decoded: {error}') from None
        if len(frames) != 1:
            raise MessageError(f'expected one frame in a message of video, found {len(frames)}')
        rgb = frames[0].to_ndarray(format='rgb24')
        header = TYPES.types['std_msgs/msg/Header'](
            stamp=message.timestamp, frame_id=message.frame_id
        )
        image = TYPES.types[RAW_IMAGE](
            header=header,
            height=rgb.shape[0],
            width=rgb.shape[1],
            encoding=pictures.RGB,
            is_bigendian=0,
            step=3 * rgb.shape[1],
            data=rgb.reshape(-1),
        )
        return bytes(TYPES.serialize_cdr(image, RAW_IMAGE))
