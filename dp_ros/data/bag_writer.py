"""rosbag2 (MCAP) as it is recorded: raw CDR in, on disk within a second."""

import time
from pathlib import Path
from typing import cast

from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.typesys import Stores, get_typestore

FLUSH_PERIOD_S = 0.5
TYPES = get_typestore(Stores.ROS2_JAZZY)


class BagWriter:
    """Writes one new bag; `folder` must not exist. All methods are called from one thread.

    Whatever was written half a second ago is in the file, in a whole MCAP chunk: a process that is
    killed leaves a file without an index, which bag_repair.repair completes.
    Raises OSError (disk full, read-only ...); what was written before stays intact.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: dict[str, int] = {}
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._connections: dict[str, Connection] = {}
        self._flushed = time.monotonic()

    @property
    def file(self) -> Path:
        """The MCAP file."""
        return self.folder / f'{self.folder.name}.mcap'

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
        if time.monotonic() - self._flushed > FLUSH_PERIOD_S:
            self.flush()

    def flush(self) -> None:
        """Put everything written so far into the file."""
        if self._storage.chunk.msgs:
            self._storage.close_chunk()
        self._storage.bio.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Write index and metadata.yaml."""
        self._writer.close()

    def abort(self) -> None:
        """Leave the file as it is, without index: after a failed write."""
        self._writer.abort()

    @property
    def _storage(self) -> McapWriter:
        return cast(McapWriter, self._writer.storage)
