"""What can be read of a bag whose recorder was killed, as a whole bag again."""

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mcap.exceptions import McapError
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.interfaces import Qos
from rosbags.rosbag2.metadata import parse_qos
from ruamel.yaml import YAML

from dp_ros.data.bag_writer import RESERVE, BagWriter

DAMAGED = 'damaged'
METADATA = 'metadata.yaml'


class BagError(ValueError):
    """A bag cannot be used; the text names it, what was expected and what to do."""


@dataclass(frozen=True)
class Repaired:
    """messages: how many were saved; ending: why reading stopped, '' at the end of the file."""

    messages: int
    ending: str


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
        ending = _copy(old, copy)
        count = sum(copy.counts.values())
        if not count:
            copy.abort()
            raise BagError(f'{old}: not one message can be read ({ending or "it is empty"})')
        copy.close()
        (folder / DAMAGED).mkdir(exist_ok=True)
        old.rename(folder / DAMAGED / old.name)
        copy.file.rename(old)
        (copy.folder / METADATA).rename(folder / METADATA)
    (folder / RESERVE).unlink(missing_ok=True)
    return Repaired(count, ending)


def _copy(damaged: Path, copy: BagWriter) -> str:
    """Copy every readable message; returns why reading stopped, '' at a proper end."""
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    with damaged.open('rb') as file:
        try:
            for record in StreamReader(file, validate_crcs=True).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, Message):
                    channel = channels[record.channel_id]
                    if channel.topic not in copy.counts:
                        kind = schemas[channel.schema_id].name
                        copy.add_topic(channel.topic, kind, _qos(channel))
                    copy.write(channel.topic, record.log_time, record.data)
        except (McapError, struct.error, KeyError, ValueError, EOFError) as error:
            return f'{type(error).__name__}: {error}' if str(error) else type(error).__name__
    return ''


def _qos(channel: Channel) -> tuple[Qos, ...]:
    text = channel.metadata.get('offered_qos_profiles', '')
    return tuple(parse_qos(YAML(typ='safe').load(text))) if text else ()
