"""How the frames of a raw image topic are stored in a bag: as they came, as JPEG or as H.264."""

from typing import Any, Protocol

import cv2
import numpy as np

from dp_ros.data import pictures
from dp_ros.data.bag_writer import TYPES
from dp_ros.data.episode import Frames
from dp_ros.data.frame_codec_h264 import VideoCodec
from dp_ros.data.messages import MessageError
from dp_ros.data.stream_inputs import JPEG_IMAGE, RAW_IMAGE, image_topic


class FrameCodec(Protocol):
    """Encodes the frames of one topic, in their order.

    stored: name and type of the topic in the bag's file. shown: its name for who reads the bag
    through dp_ros.data.bag.
    """

    stored: tuple[str, str]
    shown: str

    def encode(self, cdr: bytes) -> bytes:
        """A sensor_msgs/Image -> a message of the stored type, both CDR; raises MessageError."""


class JpegCodec:
    """Each frame for itself, as sensor_msgs/CompressedImage."""

    def __init__(self, topic: str, quality: int) -> None:
        self.stored = image_topic(topic, jpeg=True)
        self.shown = self.stored[0]
        self._quality = [cv2.IMWRITE_JPEG_QUALITY, quality]

    def encode(self, cdr: bytes) -> bytes:
        message: Any = TYPES.deserialize_cdr(cdr, RAW_IMAGE)
        bgr = np.ascontiguousarray(pictures.array(message)[..., ::-1])
        done, data = cv2.imencode('.jpg', bgr, self._quality)
        if not done:
            raise MessageError(f'a frame of {bgr.shape} pixels cannot be encoded as JPEG')
        image = TYPES.types[JPEG_IMAGE](header=message.header, format='jpeg', data=data)
        return bytes(TYPES.serialize_cdr(image, JPEG_IMAGE))


def make_codec(frames: Frames, topic: str, jpeg_quality: int, h264_crf: int) -> FrameCodec | None:
    """The codec for the raw image topic `topic`; None: as they come.

    jpeg_quality: 1 to 100, the best. h264_crf: x264's constant rate factor, 0 (the best) to 51.
    """
    if frames == Frames.raw:
        return None
    if frames == Frames.jpeg:
        return JpegCodec(topic, jpeg_quality)
    return VideoCodec(topic, h264_crf)
