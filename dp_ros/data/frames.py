"""Frames of one or several replay buffers, read from disk one by one, by index.

A frame is a chunk of its own, and a chunk of a zarr v2 store is a file: `<row>.0.0.0`, compressed.
Reading that file directly takes less than half the time of the way through zarr's own arrays.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dp_ros.data.replay_buffer import STREAM, DatasetError, view
from dp_ros.task import ImageStream

Image = NDArray[np.uint8]


class FrameStore:
    """The prepared frames of one camera in the stores `paths`, end to end.

    Holds no frame: memory is constant whatever the size of the set. Can be pickled, for the
    workers of a data loader. Raises DatasetError for a store that lacks the camera or frames of
    it, or whose frames were prepared otherwise than `stream` says.
    """

    def __init__(self, paths: Sequence[Path | str], stream: ImageStream) -> None:
        self.camera = stream.name
        width, height = stream.size
        self.shape = (height, width, 3)
        self._folders = [Path(path) / 'data' / stream.name for path in paths]
        opened = [_open(folder, stream) for folder in self._folders]
        self._codecs = [codec for _, codec in opened]
        self._ends = np.cumsum([count for count, _ in opened])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, indices: ArrayLike) -> Image:
        """Indices (...) -> frames (..., H, W, 3); an index that occurs again is read once.

        Raises DatasetError for a frame that is missing or damaged, IndexError outside the set.
        """
        wanted = np.asarray(indices, np.int64)
        distinct, places = np.unique(wanted, return_inverse=True)
        frames = np.empty((len(distinct), *self.shape), np.uint8)
        for into, index in zip(frames, distinct.tolist(), strict=True):
            into[:] = self._frame(index)
        return frames[places.reshape(wanted.shape)]

    def held(self) -> 'HeldFrames':
        """The same with all frames in memory, decoded."""
        return HeldFrames(self.camera, self.read(np.arange(len(self))))

    def _frame(self, index: int) -> Image:
        if not 0 <= index < len(self):
            raise IndexError(f'frame {index} of camera {self.camera!r}: there are {len(self)}')
        store = int(np.searchsorted(self._ends, index, side='right'))
        row = index - int(self._ends[store - 1] if store else 0)
        file = self._folders[store] / f'{row}.0.0.0'
        try:
            decoded = _decode(self._codecs[store], file.read_bytes(), math.prod(self.shape))
            return np.frombuffer(decoded, np.uint8).reshape(self.shape)
        except (OSError, RuntimeError, ValueError) as error:
            raise DatasetError(
                f'frame {row} of camera {self.camera!r} cannot be read: {file} ({error}). '
                f'The copy is incomplete or damaged.'
            ) from None


class HeldFrames:
    """As FrameStore, with the frames (N, H, W, 3) in memory: for small sets and slow disks."""

    def __init__(self, camera: str, frames: Image) -> None:
        self.camera, self._frames = camera, frames
        self.shape = frames.shape[1:]

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, indices: ArrayLike) -> Image:
        """Indices (...) -> frames (..., H, W, 3)."""
        return self._frames[np.asarray(indices, np.int64)]


def _decode(codec: Any, data: bytes, size: int) -> bytes:
    """The `size` bytes that a chunk's file holds; ValueError if its header says otherwise."""
    if codec is None:
        return data
    if codec.codec_id == 'blosc':
        # Blosc trusts its header: it makes room for the decoded size that stands there, whatever
        # it is, and reads on past the end of a file that is cut short.
        decoded_size, length = (int.from_bytes(data[at : at + 4], 'little') for at in (4, 12))
        if len(data) < 16 or len(data) != length:
            raise ValueError(f'{len(data)} bytes, {length} expected')
        if decoded_size != size:
            raise ValueError(f'its header promises {decoded_size} bytes, a frame has {size}')
    decoded: bytes = codec.decode(data)
    return decoded


def _open(folder: Path, stream: ImageStream) -> tuple[int, Any]:
    """Count of frames and the codec of the array in `folder`; every frame's file is there."""
    try:
        header = json.loads((folder / '.zarray').read_text(encoding='utf-8'))
        attributes = folder / '.zattrs'
        known = json.loads(attributes.read_text(encoding='utf-8')) if attributes.exists() else {}
        prepared = known.get(STREAM, view(stream))
        count, *frame = map(int, header['shape'])
        layout = (header['chunks'], header['dtype'], header['order'], header['filters'])
        codec = header['compressor'] and numcodecs.get_codec(header['compressor'])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f'{folder}: no frames of camera {stream.name!r}, expected a zarr v2 array '
            f'({type(error).__name__}: {error})'
        ) from None
    width, height = stream.size
    if frame != [height, width, 3] or prepared != view(stream):
        raise DatasetError(
            f'{folder} holds frames {frame}, prepared as {prepared}; the task expects '
            f'{[height, width, 3]}, prepared as {view(stream)}. Render the '
            f'set again for this task.'
        )
    if layout != ([1, *frame], '|u1', 'C', None) or header.get('dimension_separator') == '/':
        raise DatasetError(
            f'{folder}: expected uint8 frames, each a chunk of its own, without filters; found '
            f'chunks {header["chunks"]} of {header["dtype"]}'
        )
    there = {file.name for file in folder.iterdir()}
    missing = [row for row in range(count) if f'{row}.0.0.0' not in there]
    if missing:
        raise DatasetError(
            f'{folder}: {len(missing)} of {count} frames of camera {stream.name!r} are missing, '
            f'first frame {missing[0]}. The copy is incomplete.'
        )
    return count, codec
