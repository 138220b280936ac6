"""Bags read without ROS: messages in the order of their arrival, raw or as values."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from dp_ros.data.bag_repair import BagError, needs_repair
from dp_ros.data.bag_writer import TYPES, VIDEO
from dp_ros.data.frame_codec_h264 import SUFFIX, VideoDecoder
from dp_ros.data.messages import MessageError
from dp_ros.data.stream_inputs import RAW_IMAGE


@dataclass(frozen=True)
class Recorded:
    """One message of a bag: when it was received [ns], and its CDR bytes."""

    topic: str
    type: str
    received_ns: int
    cdr: bytes

    def message(self) -> Any:
        """The message as a value with the fields of its type; raises BagError."""
        try:
            return TYPES.deserialize_cdr(self.cdr, self.type)
        except Exception as error:
            raise BagError(
                f'{self.topic}: a message of {len(self.cdr)} bytes received at {self.received_ns} '
                f'ns is no {self.type} ({type(error).__name__}: {error})'
            ) from None


class Bag:
    """An open bag. A topic stored as H.264 looks like the topic of raw frames that it was."""

    def __init__(self, folder: Path, reader: Reader) -> None:
        self.folder, self._reader = folder, reader

    @property
    def topics(self) -> dict[str, str]:
        """Topic -> message type."""
        return dict(_shown(c) for c in self._reader.connections)

    @property
    def counts(self) -> dict[str, int]:
        """Topic -> number of messages."""
        return {_shown(c)[0]: c.msgcount for c in self._reader.connections}

    @property
    def seconds(self) -> float:
        """From the first to the last message."""
        return float(self._reader.duration / 1e9)

    def require(self, wanted: dict[str, str]) -> None:
        """Raise BagError unless every topic of `wanted` is here with its type, and not empty."""
        for topic, kind in wanted.items():
            found = self.topics.get(topic)
            if found is None:
                raise BagError(
                    f'{self.folder} lacks {topic}; it holds {", ".join(sorted(self.topics))}'
                )
            if found != kind:
                raise BagError(f'{self.folder}: {topic} is {found}; expected {kind}')
            if not self.counts[topic]:
                raise BagError(f'{self.folder}: {topic} holds no message')

    def messages(self, topics: set[str] | None = None) -> Iterator[Recorded]:
        """Every message of `topics` (of all, if not given) by time of arrival; raises BagError."""
        chosen: list[Connection] = [
            c for c in self._reader.connections if topics is None or _shown(c)[0] in topics
        ]
        if not chosen:
            return
        count = 0
        decoders = {c.topic: VideoDecoder() for c in chosen if c.msgtype == VIDEO}
        try:
            for connection, received_ns, cdr in self._reader.messages(chosen):
                count += 1
                decoder = decoders.get(connection.topic)
                data = decoder.decode(cdr) if decoder else bytes(cdr)
                yield Recorded(*_shown(connection), received_ns, data)
        except MessageError as error:
            raise BagError(f'{self.folder}: {error}; the rest cannot be read') from None
        except Exception as error:  # a reader of flipped bits trips over anything
            raise self._damaged(f'{type(error).__name__}: {error}') from None
        # The index of an MCAP file is not covered by a checksum.
        expected = sum(connection.msgcount for connection in chosen)
        if count != expected:
            raise self._damaged(f'{count} messages, {expected} by its metadata.yaml')

    def _damaged(self, how: str) -> BagError:
        return BagError(
            f'{self.folder} is damaged ({how}); `dp-ros bag repair` saves what can be read'
        )


def is_whole(folder: Path) -> bool:
    """Whether every message of the bag in `folder` can be read."""
    try:
        with open_bag(folder) as bag:
            for _ in bag.messages():
                pass
    except BagError:
        return False
    return True


def _shown(connection: Connection) -> tuple[str, str]:
    """Name and type of a topic for who reads it."""
    if connection.msgtype == VIDEO:
        return connection.topic.removesuffix(SUFFIX), RAW_IMAGE
    return connection.topic, connection.msgtype


@contextmanager
def open_bag(folder: Path) -> Iterator[Bag]:
    """Open the bag in `folder`; raises BagError with what to do."""
    if not folder.is_dir():
        raise BagError(f'{folder}: no such bag; expected a folder with metadata.yaml')
    if needs_repair(folder):
        raise BagError(f'{folder} was not closed by its recorder; run: dp-ros bag repair {folder}')
    reader = Reader(folder)
    try:
        reader.open()
    except Exception as error:
        raise BagError(
            f'{folder} cannot be opened as a rosbag2 ({type(error).__name__}: {error}); '
            f'`dp-ros bag repair` saves what can be read'
        ) from None
    try:
        yield Bag(folder, reader)
    finally:
        reader.close()
