"""One episode being recorded: a bounded queue, and a thread that alone waits for the disk."""

import queue
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import Qos

from dp_ros.data.bag_writer import FLUSH_PERIOD_S, BagWriter

# Half a minute of two raw cameras would not fit into memory; two seconds of them do.
MOST_QUEUED_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class RecordedTopic:
    """A topic as it is announced in the bag; type as in sensor_msgs/msg/Image."""

    name: str
    type: str
    qos: tuple[Qos, ...] = ()


class Recording:
    """Messages put here are written to the new bag `folder`; `put` never waits.

    `error` is a sentence once the disk has refused: what was written until then is intact.
    Raises OSError where the bag cannot be begun.
    """

    def __init__(self, folder: Path, topics: tuple[RecordedTopic, ...]) -> None:
        self.folder = folder
        self.error = ''
        self.dropped: Counter[str] = Counter()
        self._writer = BagWriter(folder)
        for topic in topics:
            self._writer.add_topic(topic.name, topic.type, topic.qos)
        self._queue: queue.SimpleQueue[tuple[str, int, bytes] | None] = queue.SimpleQueue()
        self._queued, self._lock = 0, threading.Lock()
        self._thread = threading.Thread(target=self._write, name='recording', daemon=True)
        self._thread.start()

    @property
    def counts(self) -> dict[str, int]:
        """Messages written so far, by topic."""
        return dict(self._writer.counts)

    def put(self, topic: str, received_ns: int, cdr: bytes) -> None:
        """Take a message; one that finds the queue full, or the disk, is counted as dropped."""
        with self._lock:
            full = self._queued + len(cdr) > MOST_QUEUED_BYTES
            if not full:
                self._queued += len(cdr)
        if full or self.error:
            self.dropped[topic] += 1
        else:
            self._queue.put((topic, received_ns, cdr))

    def close(self) -> None:
        """Write what is queued, then the index; the episode is whole afterwards.

        Where the disk has refused, the file stays without index, for bag_repair.
        """
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        try:
            while True:
                try:
                    item = self._queue.get(timeout=FLUSH_PERIOD_S)
                except queue.Empty:
                    self._writer.flush()
                    continue
                if item is None:
                    self._writer.close()
                    return
                self._writer.write(*item)
                with self._lock:
                    self._queued -= len(item[2])
        except OSError as error:
            self.error = f'{self.folder}: {error.strerror or error}; the recording has ended'
            self._writer.abort()
