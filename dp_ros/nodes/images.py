"""Pixels to image messages; data/pictures.py is the way back."""

import cv2
from sensor_msgs.msg import CompressedImage, Image

from dp_ros.data.pictures import RGB, Pixels
from dp_ros.nodes.convert import time_message


def image_message(stamp_ns: int, frame_id: str, image: Pixels, encoding: str = RGB) -> Image:
    """Pixels (height, width, 3), C-contiguous uint8 -> Image."""
    height, width, _ = image.shape
    message = Image(height=height, width=width, encoding=encoding, step=3 * width)
    message.header.stamp, message.header.frame_id = time_message(stamp_ns), frame_id
    # The setter of `data` would convert and check byte by byte.
    message.data.frombytes(image.data.cast('B'))
    return message


def jpeg_message(
    stamp_ns: int, frame_id: str, image: Pixels, quality: int = 90
) -> CompressedImage:
    """Pixels (height, width, 3) RGB -> CompressedImage, marked as image_transport does."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    message = CompressedImage(format='rgb8; jpeg compressed bgr8')
    message.header.stamp, message.header.frame_id = time_message(stamp_ns), frame_id
    message.data.frombytes(data.data.cast('B'))
    return message
