"""Image data sets: what is written comes back, frame by frame, and damage has a name."""

import json
import pickle
import shutil

import numpy as np
import pytest
import zarr

from dp_ros.data import recordings, replay_buffer, windows
from dp_ros.data.frames import FrameStore
from dp_ros.data.replay_buffer import DatasetError
from tests.data.cameras import FAR, NEAR, filmed, task

LENGTHS = (7, 1, 30)


@pytest.fixture
def episodes():
    return [filmed(length, seed, NEAR, FAR) for seed, length in enumerate(LENGTHS)]


@pytest.fixture
def store(tmp_path, episodes):
    replay_buffer.write(tmp_path / 'set.zarr', episodes, (NEAR, FAR))
    return tmp_path / 'set.zarr'


def all_frames(episodes, camera):
    return np.concatenate([episode.extra[camera] for episode in episodes])


def test_frames_come_back_in_any_order_and_shape(store, episodes):
    for camera in (NEAR, FAR):
        frames, opened = all_frames(episodes, camera.name), FrameStore([store], camera)
        assert len(opened) == sum(LENGTHS)
        index = np.random.default_rng(0).integers(0, len(frames), (4, 3, 2))
        np.testing.assert_array_equal(opened.read(index), frames[index])
        np.testing.assert_array_equal(opened.read(5), frames[5])
        assert opened.read(np.zeros((0, 2), int)).shape == (0, 2, *frames.shape[1:])


def test_several_stores_are_read_end_to_end(store, episodes, tmp_path):
    more = [filmed(4, 9, NEAR, FAR)]
    replay_buffer.write(tmp_path / 'more.zarr', more, (NEAR, FAR))
    opened = FrameStore([store, tmp_path / 'more.zarr', store], NEAR)
    frames = all_frames([*episodes, *more, *episodes], 'near')
    np.testing.assert_array_equal(opened.read(np.arange(len(frames))), frames)
    for outside in (-1, len(frames)):
        with pytest.raises(IndexError, match=f'frame {outside} .* there are {len(frames)}'):
            opened.read(outside)


def test_it_is_the_documented_layout_and_zarr_reads_the_same(store, episodes):
    header = json.loads((store / 'data' / 'near' / '.zarray').read_text())
    assert header['shape'] == [sum(LENGTHS), 12, 16, 3]
    assert header['chunks'] == [1, 12, 16, 3]
    assert (header['zarr_format'], header['dtype']) == (2, '|u1')
    group = zarr.open_group(str(store), mode='r')
    np.testing.assert_array_equal(group['data/near'][:], all_frames(episodes, 'near'))
    np.testing.assert_array_equal(group['data/keypoint'][:], all_frames(episodes, 'keypoint'))


def test_black_frames_are_written_out(tmp_path):
    black = filmed(3, 0, NEAR)
    black.extra['near'][:] = 0
    replay_buffer.write(tmp_path / 'black.zarr', [black], (NEAR,))
    assert not FrameStore([tmp_path / 'black.zarr'], NEAR).read([0, 1, 2]).any()


def test_memory_and_disk_give_the_same_and_both_can_be_sent_to_a_worker(store):
    opened = FrameStore([store], NEAR)
    index = np.array([[3, 3], [37, 0]])
    for same in (opened.held(), pickle.loads(pickle.dumps(opened))):
        assert len(same) == len(opened)
        np.testing.assert_array_equal(same.read(index), opened.read(index))
    assert len(pickle.dumps(opened)) < 2000


def test_frames_read_are_the_readers_own(store):
    held = FrameStore([store], NEAR).held()
    before = held.read(3)
    held.read([3])[:] = 0
    np.testing.assert_array_equal(held.read(3), before)


def test_a_missing_frame_is_found_when_the_set_is_opened(store):
    (store / 'data' / 'near' / '17.0.0.0').unlink()
    with pytest.raises(DatasetError, match=r"1 of 38 frames of camera 'near' .* first frame 17"):
        FrameStore([store], NEAR)


def test_a_frame_lost_or_cut_short_later_is_named_when_it_is_read(store):
    opened = FrameStore([store], NEAR)
    (store / 'data' / 'near' / '17.0.0.0').unlink()
    cut = store / 'data' / 'near' / '20.0.0.0'
    cut.write_bytes(cut.read_bytes()[:100])
    opened.read([16, 18])
    for row in (17, 20):
        with pytest.raises(DatasetError, match=f"frame {row} of camera 'near' cannot be read"):
            opened.read([16, row])


@pytest.mark.parametrize('promised', [0, 575, 577, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_frame_whose_header_promises_another_size_is_named(store, promised):
    file = store / 'data' / 'near' / '17.0.0.0'
    damaged = bytearray(file.read_bytes())
    damaged[4:8] = promised.to_bytes(4, 'little')
    file.write_bytes(damaged)
    with pytest.raises(DatasetError, match=rf'frame 17 .* promises {promised} bytes, .* has 576'):
        FrameStore([store], NEAR).read([16, 17])


@pytest.mark.parametrize(
    'damage',
    [
        {'shape': None},
        {'shape': []},
        {'shape': 38},
        {'shape': ['many', 12, 16, 3]},
        {'order': None},
        {'compressor': 'zstd'},
        {'compressor': {'id': 'unheard_of'}},
    ],
)
def test_a_header_that_is_no_array_is_a_sentence(store, damage):
    file = store / 'data' / 'near' / '.zarray'
    header = {**json.loads(file.read_text()), **damage}
    file.write_text(json.dumps({k: v for k, v in header.items() if v is not None}))
    with pytest.raises(DatasetError, match=r"near: no frames of camera 'near', .* zarr v2 array"):
        FrameStore([store], NEAR)


@pytest.mark.parametrize('name', ['.zarray', '.zattrs'])
@pytest.mark.parametrize('text', ['[]', '{"shape": [3', '7'])
def test_files_of_an_array_that_hold_something_else_are_a_sentence(store, name, text):
    (store / 'data' / 'near' / name).write_text(text)
    with pytest.raises(DatasetError, match="no frames of camera 'near'"):
        FrameStore([store], NEAR)


def test_a_set_of_another_task_is_refused(store):
    moved = NEAR.model_copy(update={'crop': (0, 0, 60, 45)})
    with pytest.raises(DatasetError, match=r"'crop': \[0, 0, 64, 48\].*'crop': \[0, 0, 60, 45\]"):
        FrameStore([store], moved)
    larger = NEAR.model_copy(update={'size': (32, 24)})
    with pytest.raises(DatasetError, match=r'holds frames \[12, 16, 3\].* expects \[24, 32, 3\]'):
        FrameStore([store], larger)
    other = NEAR.model_copy(update={'name': 'third'})
    with pytest.raises(DatasetError, match="no frames of camera 'third'"):
        FrameStore([store], other)


def test_a_foreign_set_that_does_not_say_how_it_was_prepared_is_taken_by_its_size(store):
    (store / 'data' / 'near' / '.zattrs').unlink()
    assert len(FrameStore([store], NEAR)) == sum(LENGTHS)


def test_many_frames_to_a_chunk_are_refused(store):
    group = zarr.open_group(str(store), mode='r+')
    frames = group['data/near'][:]
    shutil.rmtree(store / 'data' / 'near')
    group.create_array('data/near', data=frames, chunks=(5, 12, 16, 3))
    with pytest.raises(DatasetError, match='each a chunk of its own'):
        FrameStore([store], NEAR)


def test_an_episode_unlike_the_first_leaves_the_old_set(store):
    with pytest.raises(DatasetError, match=r"holds \['action', 'keypoint', 'near', 'state'\]"):
        replay_buffer.write(
            store, iter([filmed(3, 0, NEAR, FAR), filmed(3, 1, NEAR)]), (NEAR, FAR)
        )
    assert len(FrameStore([store], NEAR)) == sum(LENGTHS)
    assert list(store.parent.iterdir()) == [store]


def test_writing_takes_one_episode_at_a_time(tmp_path):
    folder = tmp_path / 'set.zarr'
    written = []

    def drawn():
        for number in range(4):
            (unfinished,) = [*tmp_path.glob('.set.zarr-*'), None][:1]
            files = 0 if unfinished is None else len(list(unfinished.rglob('*.0.0.0')))
            written.append(files)
            yield filmed(3, number, NEAR)

    replay_buffer.write(folder, drawn(), (NEAR,))
    assert written == [0, 3, 6, 9]


def test_windows_hold_the_frames_of_their_own_steps(store, episodes):
    sizes = task(NEAR, FAR).horizons
    known = recordings.read([store, store], task(NEAR, FAR), ['keypoint'])
    made = windows.sample_windows(known.episodes, sizes, known)
    rows = np.random.default_rng(0).permutation(len(made))
    batch = made.batch(rows)
    np.testing.assert_array_equal(batch.vector, made.observations[rows])
    np.testing.assert_array_equal(batch.actions, made.actions[rows])
    # A row of state is unlike any other, so it tells which frame belongs to it.
    frames = {c.name: all_frames(episodes * 2, c.name) for c in (NEAR, FAR)}
    states = np.concatenate([e.state for e in episodes])
    for window, near, far in zip(batch.vector, batch.images['near'], batch.images['far']):
        for state, near_frame, far_frame in zip(window, near, far):
            (step,) = np.flatnonzero((states == state).all(axis=1))
            np.testing.assert_array_equal(near_frame, frames['near'][step])
            np.testing.assert_array_equal(far_frame, frames['far'][step])
    keypoints = all_frames(episodes * 2, 'keypoint').reshape(-1, 16)
    np.testing.assert_array_equal(made.targets('keypoint'), keypoints[made.steps[:, -1]])


def test_steps_repeat_the_first_of_an_episode_and_never_the_last_of_the_one_before(store):
    known = recordings.read([store], task(NEAR, FAR))
    made = windows.sample_windows(known.episodes, task(NEAR, FAR).horizons, known)
    # 7 steps: anchors 0 to 3 (7 + 3 - (8 - 1)); 1 step: one window; 30 steps from index 8.
    expected = [[0, 0], [0, 1], [1, 2], [2, 3], [7, 7], [8, 8], [8, 9], [9, 10]]
    assert made.steps[:8].tolist() == expected
    assert made.steps.max() < sum(LENGTHS)


def test_a_part_of_the_episodes_keeps_its_frames(store, episodes):
    known = recordings.read([store], task(NEAR))
    made = windows.sample_windows(known.episodes[2:], task(NEAR).horizons, known)
    batch = made.batch([0])
    np.testing.assert_array_equal(batch.images['near'][0, 1], episodes[2].extra['near'][0])
    assert list(batch.images) == ['near']


def test_what_was_not_read_cannot_be_a_target(store):
    known = recordings.read([store], task(NEAR))
    made = windows.sample_windows(known.episodes, task(NEAR).horizons, known)
    with pytest.raises(KeyError, match="without 'keypoint'"):
        made.targets('keypoint')


def test_frames_that_do_not_cover_the_state_are_refused(store):
    zarr.open_group(str(store), mode='r+')['data/near'].resize((37, 12, 16, 3))
    with pytest.raises(DatasetError, match="37 frames of camera 'near', 38 rows of the state"):
        recordings.read([store], task(NEAR))


def test_columns_that_the_task_does_not_know_are_refused(store, tmp_path):
    rows = np.zeros((9, 5), np.float32)
    replay_buffer.write(tmp_path / 'five.zarr', [replay_buffer.Episode(rows, rows[:, :2])])
    with pytest.raises(DatasetError, match=r'five\.zarr has 5 state and 2 action columns'):
        recordings.read([store, tmp_path / 'five.zarr'], task(NEAR))
