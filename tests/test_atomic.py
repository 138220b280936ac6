"""A file is written whole or not at all."""

import os
import stat

import pytest

from dp_ros import atomic


def test_text_is_written_in_utf8_and_folders_are_made(tmp_path):
    path = tmp_path / 'new' / 'folder' / 'note.txt'
    atomic.write_text(path, 'π/2 → Grenze\n')
    assert path.read_bytes() == 'π/2 → Grenze\n'.encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_success_replaces_the_old_file_only_at_the_end(tmp_path):
    path = tmp_path / 'weights.bin'
    path.write_bytes(b'old')
    with atomic.replacing(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == path.suffix
        temporary.write_bytes(b'new')
        assert path.read_bytes() == b'old'
    assert path.read_bytes() == b'new'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize('old', [b'old', None])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path, error, old):
    path = tmp_path / 'report.json'
    if old is not None:
        path.write_bytes(old)

    def write():
        with atomic.replacing(path) as temporary:
            temporary.write_bytes(b'half of')
            raise error

    with pytest.raises(error):
        write()
    assert [p.name for p in tmp_path.iterdir()] == ([path.name] if old else [])
    assert old is None or path.read_bytes() == old


def test_text_that_cannot_be_encoded_leaves_the_old_file(tmp_path):
    path = tmp_path / 'note.txt'
    path.write_text('old')
    with pytest.raises(UnicodeEncodeError):
        atomic.write_text(path, 'new \ud800')
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_removes_its_file_is_an_error_and_the_old_file_stays(tmp_path):
    path = tmp_path / 'note.txt'
    path.write_text('old')

    def write():
        with atomic.replacing(path) as temporary:
            temporary.unlink()

    with pytest.raises(FileNotFoundError):
        write()
    assert path.read_text() == 'old'


def test_a_target_that_is_a_folder_is_an_error_and_nothing_is_left(tmp_path):
    path = tmp_path / 'taken'
    path.mkdir()
    with pytest.raises(OSError, match='taken'):
        atomic.write_text(path, 'text')
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('umask', [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        atomic.write_text(tmp_path / 'note.txt', 'text')
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / 'note.txt').stat().st_mode) == 0o666 & ~umask


def test_the_temporary_file_is_private_until_it_is_whole(tmp_path):
    with atomic.replacing(tmp_path / 'note.txt') as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
