"""What can be read of a bag whose recorder was killed, as a whole bag again."""

import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from rosbags.interfaces import Qos
from rosbags.rosbag2.metadata import parse_qos
from ruamel.yaml import YAML

from dp_ros.data.bag_writer import RESERVE, BagWriter

DAMAGED = 'damaged'
METADATA = 'metadata.yaml'
# What a reader of damaged bytes trips over.
UNREADABLE = (McapError, struct.error, KeyError, ValueError, EOFError, OverflowError)


class BagError(ValueError):
    """A bag cannot be used; the text names it, what was expected and what to do."""


@dataclass(frozen=True)
class Repaired:
    """messages: how many were saved; trouble: what could not be read, '' if all could."""

    messages: int
    trouble: str


def needs_repair(folder: Path) -> bool:
    """Whether `folder` holds an MCAP file without metadata.yaml: its recorder did not close it."""
    return not (folder / METADATA).exists() and any(folder.glob('*.mcap'))


def repair(folder: Path) -> Repaired:
    """Write the readable part of `folder`'s MCAP file anew, with its index and metadata.yaml.

    The old file is kept in `folder`/damaged. Raises BagError where there is nothing to read, and
    OSError; the bag is then as it was.
    """
    files = sorted(folder.glob('*.mcap'))
    if not files:
        raise BagError(f'{folder} holds no .mcap file; expected the folder of a bag')
    old = files[0]
    with tempfile.TemporaryDirectory(dir=folder, prefix='.repair-') as scratch:
        copy = BagWriter(Path(scratch) / old.stem)
        trouble = _copy(old, copy)
        count = sum(copy.counts.values())
        if not count:
            copy.abort()
            raise BagError(f'{old}: not one message can be read ({trouble or "it is empty"})')
        copy.close()
        aside = folder / DAMAGED
        aside.mkdir(exist_ok=True)
        old.rename(aside / old.name)
        if (folder / METADATA).exists():
            (folder / METADATA).rename(aside / METADATA)
        copy.file.rename(old)
        (copy.folder / METADATA).rename(folder / METADATA)
    (folder / RESERVE).unlink(missing_ok=True)
    return Repaired(count, trouble)


def _copy(damaged: Path, copy: BagWriter) -> str:
    """Copy every readable message; returns what could not be read, '' if all could."""
    # The end of the file repeats what the first chunk announces; either may be damaged.
    trouble: list[str] = []
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    for record in _records(damaged, trouble):
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            channels[record.id] = record
    unknown = 0
    for record in _records(damaged, []):
        if not isinstance(record, Message):
            continue
        channel = channels.get(record.channel_id)
        schema = schemas.get(channel.schema_id) if channel else None
        if channel is None or schema is None:
            unknown += 1
            continue
        if channel.topic not in copy.counts:
            copy.add_topic(channel.topic, schema.name, _qos(channel))
        copy.write(channel.topic, record.log_time, record.data)
    if unknown:
        trouble.append(f'{unknown} messages of topics that nothing announces')
    return '; '.join(trouble)


def _records(file: Path, trouble: list[str]) -> Iterator[McapRecord]:
    """Every readable record; a chunk that is damaged is passed over, and noted in `trouble`."""
    with file.open('rb') as stream:
        try:
            for record in StreamReader(stream, emit_chunks=True).records:
                if not isinstance(record, Chunk):
                    yield record
                    continue
                try:
                    yield from breakup_chunk(record, validate_crc=True)
                except UNREADABLE as error:
                    trouble.append(_named(error))
        except UNREADABLE as error:
            trouble.append(_named(error))


def _named(error: Exception) -> str:
    return f'{type(error).__name__}: {error}' if str(error) else type(error).__name__


def _qos(channel: Channel) -> tuple[Qos, ...]:
    text = channel.metadata.get('offered_qos_profiles', '')
    return tuple(parse_qos(YAML(typ='safe').load(text))) if text else ()
