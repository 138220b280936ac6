import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from dp_ros.data import replay_buffer
from dp_ros.data.replay_buffer import DatasetError, Episode

HUMAN = Path(__file__).parents[3] / 'shared' / 'data' / 'pusht_cchi_v7_replay.zarr'


def episode(length, seed=0):
    rng = np.random.default_rng(seed)
    return Episode(
        rng.normal(size=(length, 5)).astype(np.float32),
        rng.normal(size=(length, 2)).astype(np.float32),
    )


@pytest.fixture
def store(tmp_path):
    path = tmp_path / 'set.zarr'
    replay_buffer.write(path, [episode(5000, 1), episode(1, 2), episode(30, 3)])
    return path


def array(store, name):
    return zarr.open_group(str(store), mode='r+')[name]


def test_what_is_read_is_what_was_written(store):
    episodes = replay_buffer.read(store)
    assert [len(e) for e in episodes] == [5000, 1, 30]
    for seed, found in enumerate(episodes, start=1):
        wanted = episode(len(found), seed)
        np.testing.assert_array_equal(found.state, wanted.state)
        np.testing.assert_array_equal(found.action, wanted.action)


def test_on_disk_it_is_zarr_2_as_diffusion_policy_reads_it(store):
    assert not list(store.rglob('zarr.json'))
    shapes = {'data/state': [5031, 5], 'data/action': [5031, 2], 'meta/episode_ends': [3]}
    for name, shape in shapes.items():
        header = json.loads((store / name / '.zarray').read_text())
        assert header['zarr_format'] == 2
        assert header['shape'] == shape
        assert header['dtype'] == ('<i8' if name.startswith('meta') else '<f4')
    assert array(store, 'meta/episode_ends')[:].tolist() == [5000, 5001, 5031]


def test_what_is_kept_beside_state_and_action_loses_no_digits(tmp_path):
    """Seconds since 1970 in float32 would be the same for two minutes."""
    times = 1.7e9 + 0.1 * np.arange(30)
    whole = replace(episode(30), extra={'timestamp': times})
    replay_buffer.write(tmp_path / 'set', [whole])
    (found,) = replay_buffer.arrays(tmp_path / 'set', 'data/timestamp')
    np.testing.assert_array_equal(found, times)
    assert array(tmp_path / 'set', 'data/state').dtype == np.float32


def test_a_recording_of_nothing_but_zeros_is_written_out(tmp_path):
    zeros = Episode(np.zeros((9, 5), np.float32), np.zeros((9, 2), np.float32))
    replay_buffer.write(tmp_path / 'zeros.zarr', [zeros])
    assert len(replay_buffer.read(tmp_path / 'zeros.zarr')[0]) == 9


def test_writing_again_replaces_the_whole_and_leaves_nothing_beside_it(store):
    assert replay_buffer.write(store, [episode(4)]) == 1
    assert len(replay_buffer.read(store)) == 1
    assert list(store.parent.iterdir()) == [store]


def test_a_write_that_fails_leaves_the_old_set(store):
    wrong = Episode(np.zeros((3, 4), np.float32), np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match=r'state of the shape \(3, 4\); expected \(3, 5\)'):
        replay_buffer.write(store, [episode(3), wrong])
    assert len(replay_buffer.read(store)) == 3
    assert list(store.parent.iterdir()) == [store]


def test_an_interrupt_while_the_sets_change_places_leaves_the_old_one(store, monkeypatch):
    rename = Path.rename

    def interrupted(self, target):
        if self.name == 'new':
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, 'rename', interrupted)
    with pytest.raises(KeyboardInterrupt):
        replay_buffer.write(store, [episode(4)])
    assert [len(e) for e in replay_buffer.read(store)] == [5000, 1, 30]
    assert list(store.parent.iterdir()) == [store]


def test_nothing_to_write_is_a_sentence(tmp_path):
    with pytest.raises(DatasetError, match='no episode to write'):
        replay_buffer.write(tmp_path / 'none.zarr', [])


def no_such_set(store):
    shutil.rmtree(store)


def a_file(store):
    shutil.rmtree(store)
    store.write_text('not a zarr')


def an_empty_folder(store):
    shutil.rmtree(store)
    store.mkdir()


def no_actions(store):
    shutil.rmtree(store / 'data' / 'action')


def a_group_for_an_array(store):
    shutil.rmtree(store / 'data' / 'action')
    zarr.open_group(str(store), mode='r+').create_group('data/action')


def broken_header(store):
    (store / 'data' / 'state' / '.zarray').write_text('{"zarr_format"')


def missing_chunk(store):
    (store / 'data' / 'state' / '1.0').unlink()


def truncated_chunk(store):
    chunk = store / 'data' / 'state' / '0.0'
    chunk.write_bytes(chunk.read_bytes()[:1000])


def not_a_number(store):
    array(store, 'data/action')[17, 1] = np.nan


def infinite(store):
    array(store, 'data/state')[5000, 0] = np.inf


def fewer_actions(store):
    array(store, 'data/action').resize((5000, 2))


def ends_too_early(store):
    array(store, 'meta/episode_ends')[2] = 5030


def ends_fall(store):
    array(store, 'meta/episode_ends')[0] = 5001


def one_column_without_an_axis(store):
    shutil.rmtree(store / 'data' / 'action')
    group = zarr.open_group(str(store), mode='r+')
    group.create_array('data/action', data=np.ones(5031, np.float32))


@pytest.mark.parametrize(
    ('damage', 'sentence'),
    [
        (no_such_set, 'no such data set'),
        (a_file, 'is not a replay buffer: expected a zarr group with data/state'),
        (an_empty_folder, 'is not a replay buffer'),
        (no_actions, 'is not a replay buffer.*action'),
        (a_group_for_an_array, 'data/action is a group, not an array'),
        (broken_header, 'is not a replay buffer'),
        (missing_chunk, r'1 of 2 chunks of data/state are missing'),
        (truncated_chunk, 'is not a replay buffer'),
        (not_a_number, 'data/action is not finite in 1 rows, first 17'),
        (infinite, 'data/state is not finite in 1 rows, first 5000'),
        (fewer_actions, '5031 states against 5000 actions'),
        (ends_too_early, 'must rise to the number of rows, 5031; last is 5030'),
        (ends_fall, 'must rise'),
        (one_column_without_an_axis, r'data/action must have rows and columns; its shape is \(50'),
    ],
)
def test_a_damaged_set_is_a_sentence_that_names_it(store, damage, sentence):
    damage(store)
    with pytest.raises(DatasetError, match=sentence) as caught:
        replay_buffer.read(store)
    assert str(store) in str(caught.value)


@pytest.mark.skipif(not HUMAN.exists(), reason='the human demonstrations are not on this machine')
def test_the_authors_own_recordings_are_read():
    episodes = replay_buffer.read(HUMAN)
    assert len(episodes) == 206 or len(episodes) == 190
    assert all(e.state.shape[1] == 5 and e.action.shape[1] == 2 for e in episodes)
