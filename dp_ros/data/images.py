"""What a policy sees of a frame: one function, for recordings and for the running robot."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dp_ros.task import ImageStream


def prepare(frame: NDArray[np.uint8], stream: ImageStream) -> NDArray[np.uint8]:
    """Frame (height, width, 3) of `stream` -> the policy's view (size[1], size[0], 3), uint8.

    The crop is a view; resampling averages over areas, so that nothing finer than a pixel is lost
    to aliasing, and makes the only copy. Raises ValueError for a frame of another shape or type.
    """
    expected = (stream.height, stream.width, 3)
    if frame.shape != expected or frame.dtype != np.uint8:
        raise ValueError(
            f'camera {stream.name!r}: expected uint8 frames {expected}, found {frame.dtype} '
            f'{frame.shape}'
        )
    left, top, width, height = stream.box
    view = frame[top : top + height, left : left + width]
    return np.asarray(cv2.resize(view, stream.size, interpolation=cv2.INTER_AREA), np.uint8)
