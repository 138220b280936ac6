"""One episode being recorded: a bounded queue, and a thread that alone waits for the disk."""

import queue
import threading
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import Qos

from dp_ros.data.bag_writer import FLUSH_PERIOD_S, BagWriter
from dp_ros.data.frame_codec import FrameCodec
from dp_ros.data.gaps import Gaps, find_gaps
from dp_ros.data.messages import MessageError

# Half a minute of two raw cameras would not fit into memory; four seconds of them do.
MOST_QUEUED_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class RecordedTopic:
    """A topic as it is announced in the bag; type as in sensor_msgs/msg/Image.

    optional: announced with its first message. codec: for frames, unless they stay as they come.
    """

    name: str
    type: str
    qos: tuple[Qos, ...] = ()
    optional: bool = False
    codec: FrameCodec | None = None

    @property
    def stored(self) -> tuple[str, str]:
        """Name and type in the file."""
        return self.codec.stored if self.codec else (self.name, self.type)

    @property
    def shown(self) -> str:
        """Name for who reads the bag."""
        return self.codec.shown if self.codec else self.name


class Recording:
    """Messages put here are written to the new bag `folder`; `put` never waits.

    `error` is a sentence once the disk has refused, and `fault` once a message could not be
    encoded. Counts and gaps bear the names that a reader of the bag sees.
    Raises OSError where the bag cannot be begun.
    """

    def __init__(self, folder: Path, topics: tuple[RecordedTopic, ...]) -> None:
        self.folder = folder
        self.error, self.fault = '', ''
        self.dropped: Counter[str] = Counter()
        self._topics = {topic.name: topic for topic in topics}
        self._arrivals = {topic.name: array('q') for topic in topics}
        self._writer = BagWriter(folder)
        for topic in topics:
            if not topic.optional:
                self._announce(topic)
        self._queue: queue.SimpleQueue[tuple[str, int, bytes] | None] = queue.SimpleQueue()
        self._queued, self._lock = 0, threading.Lock()
        self._thread = threading.Thread(target=self._run, name='recording', daemon=True)
        self._thread.start()

    @property
    def counts(self) -> dict[str, int]:
        """Messages written so far, by topic."""
        written = self._writer.counts
        pairs = ((topic.shown, written.get(topic.stored[0])) for topic in self._topics.values())
        return {name: count for name, count in pairs if count is not None}

    @property
    def gaps(self) -> dict[str, Gaps]:
        """Of every topic that spoke twice, by time of arrival."""
        return {
            self._topics[name].shown: find_gaps(stamps)
            for name, stamps in self._arrivals.items()
            if len(stamps) > 1
        }

    def shown(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Counts by topic under the names that a reader sees."""
        return {self._topics[name].shown: count for name, count in counts.items()}

    @property
    def written_bytes(self) -> int:
        """Length of the file so far."""
        return self._writer.written_bytes

    def put(self, topic: str, received_ns: int, cdr: bytes) -> None:
        """Take a message; one that finds the queue full, or the disk, is counted as dropped.

        The times of a topic's messages never go backwards in the bag, whatever the clock does.
        """
        arrivals = self._arrivals[topic]
        if arrivals and received_ns <= arrivals[-1]:
            received_ns = arrivals[-1] + 1
        arrivals.append(received_ns)
        with self._lock:
            full = self._queued + len(cdr) > MOST_QUEUED_BYTES
            if not full:
                self._queued += len(cdr)
        if full or self.error:
            self.dropped[self._topics[topic].shown] += 1
        else:
            self._queue.put((topic, received_ns, cdr))

    def close(self) -> None:
        """Write what is queued, then the index; the episode is whole afterwards.

        Where the disk has refused, it is whole up to then; `error` says so.
        """
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
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
                self._write(*item)
                with self._lock:
                    self._queued -= len(item[2])
        except Exception as error:
            # Whatever it was, what is on disk is closed properly, and the node says why.
            reason = getattr(error, 'strerror', None) or f'{type(error).__name__}: {error}'
            self.error = f'{self.folder}: {reason}; the recording has ended'
            if not self._writer.rescue():
                self.error += f'; run: dp-ros bag repair {self.folder}'

    def _write(self, name: str, received_ns: int, cdr: bytes) -> None:
        topic = self._topics[name]
        if topic.codec is not None:
            try:
                cdr = topic.codec.encode(cdr)
            except MessageError as error:
                self.fault = f'{name}: {error}'
                self.dropped[topic.shown] += 1
                return
        if topic.stored[0] not in self._writer.counts:
            self._announce(topic)
        self._writer.write(topic.stored[0], received_ns, cdr)

    def _announce(self, topic: RecordedTopic) -> None:
        self._writer.add_topic(*topic.stored, topic.qos)
