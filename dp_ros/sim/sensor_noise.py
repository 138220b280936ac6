"""The noise of an image sensor: a few grey levels that no two frames share."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

SIGMA_LEVELS = 2.0
# The noise is drawn once, this much larger than a frame [px], and shifted at random for each.
MARGIN_PX = 64


class SensorNoise:
    """Adds noise to frames of one shape; equal seeds give equal noise.

    Normal, standard deviation 2 grey levels in each channel, saturating at 0 and 255.
    """

    def __init__(self, shape: tuple[int, int, int], seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._height, self._width, channels = shape
        size = (self._height + MARGIN_PX, self._width + MARGIN_PX, channels)
        levels = np.rint(self._random.normal(0.0, SIGMA_LEVELS, size))
        # Saturating sums of bytes are far cheaper than sums in a wider type.
        self._added = np.maximum(levels, 0).astype(np.uint8)
        self._removed = np.maximum(-levels, 0).astype(np.uint8)

    def __call__(self, frame: Image) -> Image:
        """Frame (height, width, 3) -> a new one with noise."""
        top, left = self._random.integers(0, MARGIN_PX, 2, endpoint=True)
        place = np.s_[top : top + self._height, left : left + self._width]
        brighter = cv2.add(frame, self._added[place])
        return np.asarray(cv2.subtract(brighter, self._removed[place], dst=brighter), np.uint8)
