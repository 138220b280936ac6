"""Frames of a camera in mp4 files: several episodes a file, each frame quickly found by its time.

H.264, a key frame every other frame as LeRobot has it, none out of order: a frame's time is its
number times the period, exactly. yuv420p, which everything plays, halves the colours' resolution
and needs even sides; yuv444p does neither.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from dp_ros.data.lerobot.layout import MB, VIDEOS, Place, Storage
from dp_ros.data.replay_buffer import DatasetError

Image = NDArray[np.uint8]

QUALITY = 14
"""Constant rate factor of x264, 0 to 51; lower is better."""
KEY_FRAME_EVERY = 2
PRESET = 'veryfast'

# One thread: the same bytes on every machine.
_OPTIONS = {
    'crf': str(QUALITY),
    'preset': PRESET,
    'tune': 'zerolatency',
    'bf': '0',
    'threads': '1',
}


@dataclass(frozen=True)
class Span:
    """Where the frames of an episode lie: from `start_s` to `end_s` of a file."""

    place: Place
    start_s: float
    end_s: float


def encoding(size: tuple[int, int], storage: Storage) -> dict[str, Any]:
    """What a set's info says of the compression of frames of `size`."""
    return {
        'video.codec': 'h264',
        'video.pix_fmt': _pixels(size, storage),
        'video.g': KEY_FRAME_EVERY,
        'video.crf': QUALITY,
        'video.preset': PRESET,
    }


class VideoFiles:
    """The files of one camera under `folder`, written episode by episode."""

    def __init__(
        self, folder: Path, key: str, size: tuple[int, int], rate_hz: float, storage: Storage
    ) -> None:
        self._folder, self._key, self._size, self._storage = folder, key, size, storage
        self._rate = exact(rate_hz)
        self._place = Place()
        self._file: _File | None = None

    def add(self, frames: Image) -> Span:
        """Append the frames (L, H, W, 3) of an episode, to the next file if this one is full."""
        if self._file and self._file.size_with(len(frames)) >= self._storage.video_mb * MB:
            self.close()
            self._place = self._place.next(self._storage.files)
        if self._file is None:
            path = self._folder / self._place.path(VIDEOS, self._key)
            pixels = _pixels(self._size, self._storage)
            self._file = _File(path, self._size, self._rate, pixels)
        first = self._file.count
        self._file.add(frames)
        period = 1 / self._rate
        return Span(self._place, float(first * period), float(self._file.count * period))

    def close(self) -> None:
        """Finish the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _File:
    """One mp4 file that is being written; `count` frames so far."""

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction, pixels: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self._bytes = 0
        self._container = av.open(str(path), 'w', format='mp4')
        self._stream: Any = self._container.add_stream('libx264', rate=rate)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = pixels
        self._stream.gop_size = KEY_FRAME_EVERY
        self._stream.time_base = self._stream.codec_context.time_base = 1 / rate
        self._stream.options = dict(_OPTIONS)

    def size_with(self, frames: int) -> float:
        """Bytes that it will have with as many frames more, if they are like those in it."""
        return self._bytes * (1 + frames / self.count) if self.count else 0

    def add(self, frames: Image) -> None:
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format='rgb24')
            frame.pts, frame.time_base = self.count, self._stream.codec_context.time_base
            self._write(self._stream.encode(frame))
            self.count += 1

    def close(self) -> None:
        try:
            if self.count:
                self._write(self._stream.encode())
        finally:
            self._container.close()

    def _write(self, packets: list[Any]) -> None:
        for packet in packets:
            self._bytes += packet.size
            self._container.mux(packet)


def read(path: Path, start_s: float, count: int, rate_hz: float) -> Iterator[Image]:
    """The `count` frames from `start_s` on, (H, W, 3) each; raises DatasetError.

    A frame belongs to the step whose time it is nearest to.
    """
    rate = exact(rate_hz)
    first = wanted = round(start_s * rate)
    if not path.is_file():
        raise DatasetError(f'the video {path} is missing. The copy is incomplete.')
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = 'AUTO'
            ticks = 1 / (rate * _time_base(stream))
            container.seek(max(round(first * ticks) - 1, 0), stream=stream)
            for frame in container.decode(stream):
                number = round(Fraction(frame.pts or 0) / ticks)
                if number < wanted:
                    continue
                if number > wanted or wanted == first + count:
                    break
                yield np.asarray(frame.to_ndarray(format='rgb24'), np.uint8)
                wanted += 1
                if wanted == first + count:
                    return
    except (av.FFmpegError, IndexError) as error:
        raise DatasetError(f'the video {path} cannot be read ({error}). It is damaged.') from None
    raise DatasetError(
        f'the video {path} has no frame at {float(wanted / rate):.3f} s; expected {count} frames '
        f'from {start_s:.3f} s on at {rate_hz:g} Hz'
    )


def exact(rate_hz: float) -> Fraction:
    """A rate as a fraction of small numbers."""
    return Fraction(rate_hz).limit_denominator(1001)


def _time_base(stream: Any) -> Fraction:
    if stream.time_base is None:
        raise IndexError('no time base')
    return Fraction(stream.time_base)


def _pixels(size: tuple[int, int], storage: Storage) -> str:
    odd = bool(size[0] % 2 or size[1] % 2)
    return 'yuv444p' if odd or storage.full_colour else 'yuv420p'
