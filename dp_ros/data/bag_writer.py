"""rosbag2 (MCAP) as it is recorded: raw CDR in, on disk within a second."""

import os
import shutil
import time
import zlib
from collections import defaultdict, deque
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, cast

from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import McapWriter, PendingChunk
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

FLUSH_PERIOD_S = 0.5
# What index, metadata.yaml and episode.yaml of an hour need, kept free for the time when the disk
# is full.
RESERVE_BYTES = 4 * 1024 * 1024
RESERVE = '.reserve'
# Behind a chunk record's opcode, length, two times and size (mcap.dev/spec, Chunk).
CHECKSUM_AT = 1 + 8 + 3 * 8
VIDEO = 'foxglove_msgs/msg/CompressedVideo'
TYPES = get_typestore(Stores.ROS2_JAZZY)
# The schema that Foxglove publishes for one frame of a video stream.
TYPES.register(
    get_types_from_msg(
        'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n', VIDEO
    )
)


class BagWriter:
    """Writes one new bag; `folder` must not exist. All methods are called from one thread.

    Whatever was written half a second ago is in the file, in a whole MCAP chunk: a process that is
    killed leaves a file without an index, which bag_repair.repair completes.
    Raises OSError (disk full, read-only ...); `rescue` then closes the bag with what is on disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: dict[str, int] = {}
        self._connections: dict[str, Connection] = {}
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._storage = cast(McapWriter, self._writer.storage)
        try:
            self._storage.bio.close()
            with (folder / RESERVE).open('wb') as reserve:
                os.posix_fallocate(reserve.fileno(), 0, RESERVE_BYTES)
        except OSError:
            shutil.rmtree(folder)
            raise
        self._file = _WholeWrites(self.file)
        self._storage.bio = cast(Any, self._file)
        # The writer itself calls it when a chunk is full.
        self._storage.close_chunk = self._close_chunk  # type: ignore[method-assign]
        self._marks: deque[_Mark] = deque(maxlen=4)
        self._mark()

    @property
    def file(self) -> Path:
        """The MCAP file."""
        return self.folder / f'{self.folder.name}.mcap'

    @property
    def written_bytes(self) -> int:
        """Length of the file so far."""
        return self._file.length

    def add_topic(self, topic: str, message_type: str, qos: tuple[Qos, ...] = ()) -> None:
        """Announce a topic; message_type as in sensor_msgs/msg/Image.

        Raises ValueError for a type that is not among the standard messages.
        """
        if message_type not in TYPES.types:
            raise ValueError(f'{topic}: the definition of {message_type} is not known')
        self._connections[topic] = self._writer.add_connection(
            topic, message_type, typestore=TYPES, offered_qos_profiles=qos
        )
        self.counts[topic] = 0

    def write(self, topic: str, stamp_ns: int, cdr: bytes) -> None:
        """One message that came at `stamp_ns`."""
        self._writer.write(self._connections[topic], stamp_ns, cdr)
        self.counts[topic] += 1
        if not self._storage.chunk.msgs:
            self._mark()
        elif time.monotonic() - self._flushed > FLUSH_PERIOD_S:
            self.flush()

    def flush(self) -> None:
        """Put everything written so far into the file."""
        if self._storage.chunk.msgs:
            self._storage.close_chunk()
            self._mark()

    def close(self) -> None:
        """Write index and metadata.yaml."""
        if not any(self.counts.values()):
            # An empty bag begins at 0, not at the end of time.
            self._writer.min_timestamp = self._storage.message_start_time = 0
        self._writer.close()
        (self.folder / RESERVE).unlink(missing_ok=True)

    def rescue(self) -> bool:
        """After a failed write: close the bag with the chunks that are whole on disk.

        False where even that is refused: the file then has no index, for bag_repair.
        """
        (self.folder / RESERVE).unlink(missing_ok=True)
        while self._marks and not self._file.closed:
            try:
                self._go_back_to(self._marks.pop())
                self.close()
            except OSError:
                # Where a file may not grow beyond a size, the index needs the room of a chunk.
                continue
            return True
        self.abort()
        return False

    def abort(self) -> None:
        """Leave the file as it is, without index."""
        (self.folder / RESERVE).unlink(missing_ok=True)
        self._writer.abort()

    def _close_chunk(self) -> None:
        """Write the pending chunk, with the checksum that rosbags leaves out (0: unknown)."""
        checksum = zlib.crc32(self._storage.chunk.bio.getbuffer())
        begun = self._file.length
        McapWriter.close_chunk(self._storage)
        self._file.replace(begun + CHECKSUM_AT, checksum.to_bytes(4, 'little'))

    def _mark(self) -> None:
        """Remember what is whole on disk: between two chunks, where nothing is pending."""
        self._flushed = time.monotonic()
        storage, writer = self._storage, self._writer
        self._marks.append(
            _Mark(
                self._file.length, len(storage.chunks), dict(self.counts),
                (writer.min_timestamp, writer.max_timestamp),
            )
        )  # fmt: skip

    def _go_back_to(self, mark: '_Mark') -> None:
        self._file.cut(mark.length)
        self._storage.chunk = PendingChunk(2**63 - 1, 0, BytesIO(), defaultdict(list))
        del self._storage.chunks[mark.chunks :]
        self.counts = {topic: mark.counts.get(topic, 0) for topic in self.counts}
        for topic, connection in self._connections.items():
            self._storage.channel_stats[connection.id] = self.counts[topic]
            self._writer.counts[connection.id] = self.counts[topic]
        first, last = mark.span
        self._writer.min_timestamp = self._storage.message_start_time = first
        self._writer.max_timestamp = self._storage.message_end_time = last


@dataclass(frozen=True)
class _Mark:
    """length: of the file; span: stamps of the first and the last message [ns]."""

    length: int
    chunks: int
    counts: dict[str, int]
    span: tuple[int, int]


class _WholeWrites:
    """A file that is appended to without a buffer: after an error nothing waits to be written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open('r+b', buffering=0)
        self.length = self._file.seek(0, os.SEEK_END)

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """All of `data`, or OSError."""
        rest = memoryview(data)
        while rest:
            # A full disk takes a part, and refuses the next one.
            done = self._file.write(rest)
            rest = rest[done:]
            self.length += done
        return len(data)

    def tell(self) -> int:
        return self.length

    def replace(self, place: int, data: bytes) -> None:
        """Write `data` over what stands at `place`."""
        os.pwrite(self._file.fileno(), data, place)

    def cut(self, length: int) -> None:
        """Throw away what stands behind `length`."""
        self._file.truncate(length)
        self._file.seek(0, os.SEEK_END)
        self.length = length

    def close(self) -> None:
        self._file.close()
