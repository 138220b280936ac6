"""A disk that is full, or a file that may not grow: the bag is whole up to there."""

import os
import subprocess
import sys

import pytest
import yaml
from mcap.reader import make_reader

from dp_ros.data.bag import open_bag
from dp_ros.data.bag_recording import RecordedTopic, Recording
from dp_ros.data.bag_repair import needs_repair
from dp_ros.data.bag_writer import RESERVE, TYPES, BagWriter

TEXT = 'std_msgs/msg/String'
MB = 1024 * 1024


def message(number):
    return TYPES.serialize_cdr(TYPES.types[TEXT](data=f'{number:05d}' + 3000 * ' '), TEXT)


def fill(folder):
    """Record until the disk refuses; returns the recording and how many messages it was given."""
    recording = Recording(folder, (RecordedTopic('/text', TEXT),))
    given = 0
    while not recording.error and given < 20_000:
        recording.put('/text', given, message(given))
        given += 1
    recording.put('/text', given, message(given))
    recording.close()
    return recording, given + 1


def check(recording):
    """Readable at once, and what it holds is the beginning of what was said."""
    folder = recording.folder
    assert not needs_repair(folder)
    assert not (folder / RESERVE).exists()
    with open_bag(folder) as bag:
        found = [int(m.message().data[:5]) for m in bag.messages()]
        assert bag.counts == recording.counts
    assert found == list(range(len(found)))
    with (folder / f'{folder.name}.mcap').open('rb') as file:
        # Another library's opinion.
        summary = make_reader(file).get_summary()
    assert summary.statistics.message_count == len(found)
    information = yaml.safe_load((folder / 'metadata.yaml').read_text())
    assert information['rosbag2_bagfile_information']['message_count'] == len(found)
    return len(found)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 12 MB."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=12m', 'none', str(folder)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip('mounting a file system is not permitted')
    yield folder
    subprocess.run(['umount', str(folder)], check=True)


def test_a_full_disk_leaves_a_whole_bag_and_room_for_what_stands_beside_it(small_disk):
    recording, given = fill(small_disk / 'bag')
    assert 'No space left' in recording.error
    assert 'repair' not in recording.error
    # All but a chunk and the reserve.
    assert check(recording) * 3000 > 6 * MB
    assert recording.dropped['/text'] > 0
    assert given > sum(recording.counts.values())
    (small_disk / 'bag' / 'episode.yaml').write_text(1000 * ' ')


def test_a_disk_that_is_full_from_the_start_is_an_error_and_leaves_nothing(small_disk):
    (small_disk / 'other').write_bytes(bytes(9 * MB))
    with pytest.raises(OSError, match='No space left'):
        BagWriter(small_disk / 'bag')
    assert not (small_disk / 'bag').exists()


def test_a_disk_that_is_read_only_is_an_error(small_disk):
    subprocess.run(['mount', '-o', 'remount,ro', str(small_disk)], check=True)
    with pytest.raises(OSError, match='Read-only'):
        Recording(small_disk / 'bag', (RecordedTopic('/text', TEXT),))


def test_a_file_that_may_not_grow_is_closed_within_its_limit(tmp_path):
    program = (
        'import resource, sys\n'
        'from pathlib import Path\n'
        'from tests.data.test_full_disk import check, fill\n'
        f'resource.setrlimit(resource.RLIMIT_FSIZE, ({6 * MB}, {6 * MB}))\n'
        'recording, _ = fill(Path(sys.argv[1]))\n'
        'assert check(recording) > 1000\n'
        'print(recording.error)\n'
    )
    command = [sys.executable, '-c', program, str(tmp_path / 'bag')]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert 'File too large' in done.stdout
    assert (tmp_path / 'bag' / 'bag.mcap').stat().st_size <= 6 * MB


def test_where_not_even_an_index_fits_the_sentence_says_what_to_do(tmp_path):
    program = (
        'import resource, sys\n'
        'from pathlib import Path\n'
        'from tests.data.test_full_disk import fill\n'
        'from dp_ros.data import bag_writer\n'
        'bag_writer.RESERVE_BYTES = 10\n'
        'resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n'
        'recording, _ = fill(Path(sys.argv[1]))\n'
        'print(recording.error)\n'
    )
    command = [sys.executable, '-c', program, str(tmp_path / 'bag')]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f'dp-ros bag repair {tmp_path / "bag"}' in done.stdout


def test_an_episode_in_which_nothing_was_said_is_a_bag(tmp_path):
    writer = BagWriter(tmp_path / 'bag')
    writer.add_topic('/text', TEXT)
    writer.close()
    with open_bag(tmp_path / 'bag') as bag:
        assert bag.counts == {'/text': 0}
        assert list(bag.messages()) == []
        assert bag.seconds == 0


def test_a_failing_encoder_ends_the_recording_with_a_whole_bag(tmp_path):
    class Broken:
        stored, shown = ('/text', TEXT), '/text'

        def encode(self, cdr):
            if cdr == b'end':
                raise RuntimeError('the encoder has died')
            return cdr

    recording = Recording(tmp_path / 'bag', (RecordedTopic('/text', TEXT, codec=Broken()),))
    for number in range(5):
        recording.put('/text', number, message(number))
    recording.put('/text', 5, b'end')
    recording.close()
    assert 'RuntimeError: the encoder has died; the recording has ended' in recording.error
    with open_bag(tmp_path / 'bag') as bag:
        assert len(list(bag.messages())) <= 5
