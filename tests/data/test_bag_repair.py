import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import Reader

from dp_ros.data.bag import is_whole, open_bag
from dp_ros.data.bag_repair import BagError, needs_repair, repair
from dp_ros.data.bag_writer import TYPES, BagWriter
from tests.data.killed_recorder import text


def said(folder):
    with Reader(folder) as bag:
        return [
            TYPES.deserialize_cdr(data, connection.msgtype).data
            for connection, _, data in bag.messages()
        ]


def write(folder, count):
    writer = BagWriter(folder)
    writer.add_topic('/text', 'std_msgs/msg/String')
    for number in range(count):
        writer.write('/text', 1_000 + number, text(number))
    return writer


def test_a_closed_bag_is_read_by_rosbags_and_needs_no_repair(tmp_path):
    write(tmp_path / 'bag', 100).close()
    assert said(tmp_path / 'bag') == [f'message {i}' for i in range(100)]
    assert not needs_repair(tmp_path / 'bag')


def test_killed_at_any_of_twenty_moments_it_loses_at_most_the_last_second(tmp_path):
    root = tmp_path / 'épisodes'
    root.mkdir()
    command = [sys.executable, str(Path(__file__).parent / 'killed_recorder.py'), str(root), '20']
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        pids = [int(parent.stdout.readline()) for _ in range(20)]
        logs = [root / f'{i}.log' for i in range(20)]
        while not all(log.exists() and log.stat().st_size for log in logs):
            time.sleep(0.05)
        time.sleep(1.5)
        killed = []
        for pid in pids:
            time.sleep(random.uniform(0, 0.1))
            killed.append(time.monotonic())
            os.kill(pid, signal.SIGKILL)
        parent.wait(20)
    for i in range(20):
        folder = root / str(i)
        lines = logs[i].read_text().splitlines()[:-1]
        due = sum(float(line.split()[1]) < killed[i] - 1.0 for line in lines)
        assert needs_repair(folder)
        done = repair(folder)
        found = said(folder)
        assert found == [f'message {number}' for number in range(len(found))]
        assert done.messages == len(found) >= due
        assert not needs_repair(folder)
        assert list((folder / 'damaged').glob('*.mcap'))


def test_a_flipped_bit_costs_no_more_than_what_follows(tmp_path):
    writer = write(tmp_path / 'bag', 50)
    writer.flush()
    for number in range(50, 100):
        writer.write('/text', 1_000 + number, text(number))
    writer.flush()
    writer.abort()
    data = bytearray(writer.file.read_bytes())
    data[-40] ^= 0x10
    writer.file.write_bytes(data)
    repair(tmp_path / 'bag')
    found = said(tmp_path / 'bag')
    assert len(found) >= 50
    assert found[:50] == [f'message {i}' for i in range(50)]


def test_nothing_to_read_is_a_sentence_and_changes_nothing(tmp_path):
    with pytest.raises(BagError, match=r'no \.mcap'):
        repair(tmp_path)
    folder = tmp_path / 'bag'
    folder.mkdir()
    (folder / 'bag.mcap').write_bytes(b'nonsense')
    with pytest.raises(BagError, match='not one message'):
        repair(folder)
    assert [p.name for p in folder.iterdir()] == ['bag.mcap']


def test_an_unknown_type_is_named(tmp_path):
    writer = BagWriter(tmp_path / 'bag')
    with pytest.raises(ValueError, match='my_msgs/msg/Mine'):
        writer.add_topic('/x', 'my_msgs/msg/Mine')
    writer.close()


def flipped(folder, place, bit=0):
    """The MCAP file with one bit turned over; place: share of its length."""
    (file,) = folder.glob('*.mcap')
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    file.write_bytes(data)


def test_a_flipped_bit_in_a_message_is_noticed_and_only_its_chunk_is_lost(tmp_path):
    folder = tmp_path / 'bag'
    writer = write(folder, 0)
    for number in range(1000):
        writer.write('/text', 1_000 + number, text(number))
        if number % 100 == 99:
            writer.flush()
    writer.close()
    assert is_whole(folder)
    flipped(folder, 0.4)
    assert not is_whole(folder)
    done = repair(folder)
    assert done.messages == 900
    assert 'crc' in done.trouble.lower()
    assert is_whole(folder)
    assert len(said(folder)) == 900
    assert {p.name for p in (folder / 'damaged').iterdir()} == {'bag.mcap', 'metadata.yaml'}


@settings(max_examples=30, deadline=None)
@given(place=st.floats(0.01, 0.99), bit=st.integers(0, 7))
def test_no_flipped_bit_makes_a_reader_fail_without_a_sentence(place, bit):
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / 'bag'
        write(folder, 50).close()
        before = said(folder)
        flipped(folder, place, bit)
        try:
            with open_bag(folder) as bag:
                found = [m.message().data for m in bag.messages()]
        except BagError:
            return
        assert found == before
