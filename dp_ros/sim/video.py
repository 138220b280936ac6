"""Frames to an H.264 video that every browser plays; the file appears whole or not at all."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from dp_ros.atomic import replacing


def write_video(path: Path, frames: Iterable[np.ndarray], rate_hz: float) -> int:
    """Write uint8 RGB frames (height, width, 3), all of one size with even sides, to an mp4.

    Returns the number of frames. Raises ValueError for no frames or for odd sides, which
    yuv420p cannot hold; then, or when `frames` raises, `path` stays as it was.
    """
    count = 0
    with replacing(Path(path)) as partial, av.open(str(partial), 'w', format='mp4') as container:
        stream = None
        for frame in frames:
            if stream is None:
                stream = _stream(container, frame, rate_hz)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
            count += 1
        if stream is None:
            raise ValueError(f'no frames for {path}')
        container.mux(stream.encode())
    return count


def _stream(
    container: av.container.OutputContainer, frame: np.ndarray, rate_hz: float
) -> av.video.stream.VideoStream:
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        raise ValueError(f'yuv420p needs even sides, got {width} x {height}')
    stream = container.add_stream('libx264', rate=Fraction(rate_hz).limit_denominator(1001))
    stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
    stream.options = {'crf': '20', 'preset': 'veryfast', 'movflags': 'faststart'}
    return stream
