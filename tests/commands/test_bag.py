"""dp-ros bag, as a person types it."""

import sys

import pytest

from dp_ros import cli
from dp_ros.data.bag_writer import TYPES, BagWriter


@pytest.fixture
def say(monkeypatch, capsys):
    """Runs dp-ros here; returns its exit code and all that it printed."""

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['dp-ros', *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, ' '.join((printed.out + printed.err).split())

    return run


def test_a_killed_recording_is_named_repaired_and_shown(tmp_path, say):
    writer = BagWriter(tmp_path / 'bag')
    writer.add_topic('/text', 'std_msgs/msg/String')
    message = TYPES.types['std_msgs/msg/String'](data='said')
    cdr = TYPES.serialize_cdr(message, 'std_msgs/msg/String')
    for second in range(3):
        writer.write('/text', second * 1_000_000_000, cdr)
    writer.flush()
    writer.abort()
    code, told = say('bag', 'info', tmp_path / 'bag')
    assert code == 1
    assert 'dp-ros bag repair' in told
    code, told = say('bag', 'repair', tmp_path / 'bag')
    assert (code, told.startswith('3 messages saved')) == (0, True), told
    code, told = say('bag', 'info', tmp_path / 'bag')
    assert code == 0
    assert '/text' in told
    assert '1.5 Hz' in told
    code, told = say('bag', 'repair', tmp_path / 'bag')
    assert (code, 'nothing to repair' in told) == (0, True)


def test_a_folder_that_is_no_bag_is_a_sentence(tmp_path, say):
    code, told = say('bag', 'info', tmp_path / 'nothing')
    assert code == 1
    assert 'no such bag' in told
    assert 'Traceback' not in told
