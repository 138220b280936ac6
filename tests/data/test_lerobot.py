import json
import os
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.data.key_map import parse
from dp_ros.data.lerobot import layout as lerobot
from dp_ros.data.lerobot import read as lerobot_read
from dp_ros.data.lerobot import write as lerobot_write
from dp_ros.data.lerobot.layout import Storage
from dp_ros.data.lerobot.stats import Stats
from dp_ros.data.replay_buffer import DatasetError, Episode
from tests.data.cameras import FAR, NEAR, task
from tests.data.exchanged import episode, psnr, smooth

WIDE = NEAR.model_copy(update={'name': 'wide', 'size': (64, 48)})
ODD = FAR
STEADY = [7, 1, 12, 3]
ORACLE = Path(__file__).with_name('lerobot_oracle.py')


def write(path, lengths=STEADY, *cameras, storage=None):
    made = [episode(length, seed, *cameras) for seed, length in enumerate(lengths)]
    assert lerobot_write.write(path, iter(made), task(*cameras), storage) == len(lengths)
    return made


def read(path, *cameras, mapping=(), **settings):
    found = lerobot_read.read(path, task(*cameras), parse(mapping), **settings)
    episodes = list(found.episodes)
    assert len(episodes) == found.count
    return episodes


def files(path, pattern):
    return sorted(str(file.relative_to(path)) for file in path.glob(pattern))


def assert_same(found, wanted, bound_db=36):
    """Numbers bit for bit, frames within `bound_db`."""
    assert [len(e) for e in found] == [len(e) for e in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.state.tobytes() == theirs.state.tobytes()
        assert mine.action.tobytes() == theirs.action.tobytes()
        assert mine.extra.keys() == theirs.extra.keys()
        for name, rows in theirs.extra.items():
            assert mine.extra[name].dtype == rows.dtype
            assert mine.extra[name].shape == rows.shape
            if rows.dtype == np.uint8:
                assert psnr(mine.extra[name], rows) > bound_db
            else:
                np.testing.assert_array_equal(mine.extra[name], rows)


@settings(max_examples=12, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    values=st.floats(-(2.0**99), 2.0**99, width=32),
)
def test_numbers_come_back_bit_for_bit(tmp_path_factory, lengths, values):
    path = tmp_path_factory.mktemp('sets') / 'set'
    made = [episode(length, seed) for seed, length in enumerate(lengths)]
    made[0].state[0, 0] = values
    lerobot_write.write(path, made, task())
    assert_same(read(path), made)


def test_frames_of_two_cameras_come_back_within_the_error_of_the_codec(tmp_path):
    path = tmp_path / 'Датасет é'
    made = write(path, STEADY, WIDE, ODD)
    found = read(path, WIDE, ODD)
    assert_same(found, made, bound_db=38)
    assert [e.start for e in found] == [0, 7, 8, 20]
    worst = max(
        int(np.abs(a.extra['wide'].astype(int) - b.extra['wide']).max())
        for a, b in zip(found, made, strict=True)
    )
    assert worst <= 16


def test_in_full_colour_the_frames_are_closer(tmp_path):
    made = write(tmp_path / 'half', [9], WIDE)
    write(tmp_path / 'full', [9], WIDE, storage=Storage(full_colour=True))
    half, full = (read(tmp_path / name, WIDE)[0].extra['wide'] for name in ('half', 'full'))
    assert psnr(full, made[0].extra['wide']) > psnr(half, made[0].extra['wide']) + 2


def test_it_is_laid_out_as_lerobot_documents_it(tmp_path):
    path = tmp_path / 'set'
    write(path, STEADY, WIDE)
    assert [name for name in files(path, '**/*') if (path / name).is_file()] == [
        'data/chunk-000/file-000.parquet',
        'meta/episodes/chunk-000/file-000.parquet',
        'meta/info.json',
        'meta/stats.json',
        'meta/tasks.parquet',
        'videos/observation.images.wide/chunk-000/file-000.mp4',
    ]
    info = json.loads((path / 'meta/info.json').read_text())
    assert info['codebase_version'] == 'v3.0'
    assert (info['fps'], info['total_episodes'], info['total_frames']) == (10, 4, 23)
    state = {'dtype': 'float32', 'shape': [2], 'names': ['tcp.x', 'tcp.y']}
    assert info['features']['observation.state'] == state
    assert info['features']['stamp'] == {'dtype': 'int64', 'shape': [1], 'names': None}
    assert info['features']['observation.images.wide']['shape'] == [48, 64, 3]
    rows = pq.read_table(path / 'data/chunk-000/file-000.parquet')
    assert rows.column('index').to_pylist() == list(range(23))
    assert rows.column('timestamp').to_pylist()[:3] == [0.0, *np.float32([0.1, 0.2])]
    assert rows.schema.field('action').type == pa.list_(pa.float32(), 2)
    about = pq.read_table(path / 'meta/episodes/chunk-000/file-000.parquet').to_pylist()
    assert [(e['dataset_from_index'], e['dataset_to_index']) for e in about] == [
        (0, 7), (7, 8), (8, 20), (20, 23),
    ]  # fmt: skip
    key = 'videos/observation.images.wide'
    times = [(e[f'{key}/from_timestamp'], e[f'{key}/to_timestamp']) for e in about]
    assert times == [(0, 0.7), (0.7, 0.8), (0.8, 2), (2, 2.3)]
    assert about[2]['tasks'] == ['toy']


def test_a_file_that_is_full_is_followed_by_another(tmp_path):
    path = tmp_path / 'set'
    storage = Storage(data_mb=0.008, video_mb=0.02, files=2)
    made = write(path, [40] * 6, WIDE, ODD, storage=storage)
    tables = files(path, 'data/*/*')
    videos = files(path, 'videos/observation.images.wide/*/*')
    assert 2 < len(tables) <= 6
    assert 2 < len(videos) <= 6
    assert tables[:3] == [
        'data/chunk-000/file-000.parquet',
        'data/chunk-000/file-001.parquet',
        'data/chunk-001/file-000.parquet',
    ]
    assert all((path / name).stat().st_size < 2 * 0.02 * 2**20 for name in videos)
    assert_same(read(path, WIDE, ODD), made)


def test_statistics_are_those_of_all_rows_and_pixels(tmp_path):
    path = tmp_path / 'set'
    made = write(path, STEADY, WIDE)
    stats = json.loads((path / 'meta/stats.json').read_text())
    rows = np.concatenate([e.action for e in made]).astype(float)
    pixels = np.concatenate([e.extra['wide'] for e in made]).reshape(-1, 3) / 255
    for key, values in (('action', rows), ('observation.images.wide', pixels)):
        assert stats[key]['count'] == [23]
        for name in ('min', 'max', 'mean', 'std'):
            wanted = getattr(values, name)(axis=0)
            np.testing.assert_allclose(np.ravel(stats[key][name]), wanted, rtol=1e-9)
    assert np.shape(stats['observation.images.wide']['mean']) == (3, 1, 1)
    about = pq.read_table(path / 'meta/episodes/chunk-000/file-000.parquet').to_pylist()
    np.testing.assert_allclose(about[0]['stats/action/max'], made[0].action.max(axis=0))


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 9))
def test_statistics_of_two_parts_are_those_of_the_whole(first, second, seed):
    rows = np.random.default_rng(seed).normal(size=(first + second, 3))
    both, whole = Stats.of_rows(rows[:first]) | Stats.of_rows(rows[first:]), Stats.of_rows(rows)
    for name, value in whole.plain().items():
        np.testing.assert_allclose(both.plain()[name], value, atol=1e-12)


def test_full_frames_of_a_camera_are_prepared_and_others_refused(tmp_path):
    path = tmp_path / 'set'
    full = NEAR.model_copy(update={'size': (64, 48)})
    made = write(path, [5], full)
    info = json.loads((path / 'meta/info.json').read_text())
    # As others write it, without a word of how the frames were made.
    del info['features']['observation.images.near']['info'][lerobot.PREPARED]
    (path / 'meta/info.json').write_text(json.dumps(info))
    small = read(path, NEAR)[0].extra['near']
    averaged = made[0].extra['near'].reshape(5, 12, 4, 16, 4, 3).mean(axis=(2, 4))
    assert psnr(small, averaged) > 38
    other = NEAR.model_copy(update={'width': 96})
    with pytest.raises(DatasetError, match=r'frames uint8 \(48, 64, 3\); expected uint8 \(48, 96'):
        read(path, other)


def test_frames_prepared_for_another_crop_are_refused(tmp_path):
    write(tmp_path / 'set', [5], NEAR)
    other = NEAR.model_copy(update={'crop': (0, 0, 32, 24)})
    with pytest.raises(DatasetError, match='was prepared as'):
        read(tmp_path / 'set', other)


def table_with(path, **changed):
    """Rewrite the data file with other columns."""
    file = path / 'data/chunk-000/file-000.parquet'
    table = pq.read_table(file)
    for key, column in changed.items():
        key = key.replace('__', '.')
        index = table.schema.get_field_index(key)
        if column is None:
            table = table.remove_column(index)
        elif index < 0:
            table = table.append_column(key, column)
        else:
            table = table.set_column(index, key, column)
    pq.write_table(table, file)


def describe(path, **features):
    info = json.loads((path / 'meta/info.json').read_text())
    info['features'] |= {key.replace('__', '.'): value for key, value in features.items()}
    (path / 'meta/info.json').write_text(json.dumps(info))


def test_columns_are_found_by_their_names_in_whatever_order(tmp_path):
    path = tmp_path / 'set'
    made = write(path, [4])
    rows = np.concatenate([made[0].state[:, ::-1], np.ones((4, 1), np.float32)], axis=1)
    table_with(path, observation__state=pa.array(rows.tolist(), pa.list_(pa.float32())))
    names = ['tcp.y', 'tcp.x', 'grip']
    feature = {'dtype': 'float32', 'shape': [3], 'names': names}
    describe(path, observation__state=feature)
    np.testing.assert_array_equal(read(path)[0].state, made[0].state)
    describe(path, observation__state={**feature, 'names': {'motors': ['a', 'b', 'c']}})
    with pytest.raises(DatasetError, match=r'has 3 columns; state of the task has 2 \(tcp.x, tcp'):
        read(path)
    mapping = ['tcp=observation.state[1,0]', 'action=action[1,0]']
    found = read(path, mapping=mapping)[0]
    np.testing.assert_array_equal(found.state, made[0].state)
    np.testing.assert_array_equal(found.action, made[0].action[:, ::-1])


def test_pictures_may_stand_in_the_table(tmp_path):
    path = tmp_path / 'set'
    write(path, [3])
    frames = smooth(3, WIDE.size, 0)
    png = [cv2.imencode('.png', frame[..., ::-1])[1].tobytes() for frame in frames]
    table_with(path, top=pa.array([{'bytes': data, 'path': None} for data in png]))
    describe(path, top={'dtype': 'image', 'shape': [48, 64, 3], 'names': None})
    found = read(path, WIDE, mapping=['wide=top'])[0]
    np.testing.assert_array_equal(found.extra['wide'], frames)
    table_with(path, top=pa.array([{'bytes': b'none', 'path': None}] * 3))
    with pytest.raises(DatasetError, match='row without a picture that can be read'):
        read(path, WIDE, mapping=['wide=top'])


def test_what_cannot_be_carried_over_is_named(tmp_path):
    path = tmp_path / 'set'
    write(path, [3], WIDE)
    table_with(path, words=pa.array(['a', 'b', 'c']))
    describe(path, words={'dtype': 'string', 'shape': [1], 'names': None})
    found = lerobot_read.read(path, task())
    assert found.left_out == ('observation.images.wide', 'words')
    assert found.tasks == ('toy',)


def test_bad_sets_are_sentences(tmp_path):
    path = tmp_path / 'set'
    made = write(path, [4, 5], WIDE)

    def refused(match, damage, *cameras, of=path):
        copy = tmp_path / 'copy'
        shutil.copytree(of, copy)
        damage(copy)
        with pytest.raises(DatasetError, match=match):
            read(copy, *cameras)
        shutil.rmtree(copy)

    def version(text):
        def change(copy):
            info = json.loads((copy / 'meta/info.json').read_text())
            (copy / 'meta/info.json').write_text(json.dumps({**info, 'codebase_version': text}))

        return change

    def shortened(name):
        def change(copy):
            data = (copy / name).read_bytes()
            (copy / name).write_bytes(data[: len(data) // 2])

        return change

    def nothing(copy):
        pass

    def outside(copy):
        info = json.loads((copy / 'meta/info.json').read_text())
        info['data_path'] = '../../{chunk_index}/{file_index}'
        (copy / 'meta/info.json').write_text(json.dumps(info))

    table, video = 'data/chunk-000/file-000.parquet', 'videos/observation.images.wide/chunk-000'
    infinite = made[1].action.copy()
    infinite[2, 1] = np.nan
    both = np.concatenate([made[0].action, infinite])
    nan = pa.array(both.tolist(), pa.list_(pa.float32(), 2))
    ragged = pa.array([[1.0, 2.0]] * 8 + [[1.0]], pa.list_(pa.float32()))
    refused('v2.1; expected v3.0. Convert it.*convert_dataset_v21_to_v30', version('v2.1'))
    refused('v4.0; expected v3.0.$', version('v4.0'))
    refused('file ../../0/0, which is not in the set', outside)
    refused('is not a LeRobotDataset: expected meta/info.json', shortened('meta/info.json'))
    refused('file-000.parquet cannot be read .* It is damaged', shortened(table))
    refused('is missing. The copy is incomplete', lambda copy: (copy / table).unlink())
    refused('meta/episodes has no parquet', lambda copy: shutil.rmtree(copy / 'meta/episodes'))
    refused('the video .* is missing', lambda copy: shutil.rmtree(copy / video), WIDE)
    refused('the video .* cannot be read', shortened(f'{video}/file-000.mp4'), WIDE)
    refused('action is not finite in 1 rows.* first row 6', lambda c: table_with(c, action=nan))
    refused('action has 9 values of float32 in 5 rows', lambda c: table_with(c, action=ragged))
    refused('has no column action', lambda c: table_with(c, action=None))
    refused("no frames observation.images.near for camera 'near'; found", nothing, NEAR)
    mixed = pa.array([1] * 9)
    refused('rows 0 to 4 are of episode 1', lambda c: table_with(c, episode_index=mixed))


def test_a_video_that_ends_early_is_a_sentence(tmp_path):
    write(tmp_path / 'set', [4, 5], WIDE)
    write(tmp_path / 'short', [4, 2], WIDE)
    video = 'videos/observation.images.wide/chunk-000/file-000.mp4'
    shutil.copy(tmp_path / 'short' / video, tmp_path / 'set' / video)
    with pytest.raises(
        DatasetError, match=r'episode 1: .* has no frame at 0.600 s; expected 5 fr'
    ):
        read(tmp_path / 'set', WIDE)


def test_another_rate_is_refused(tmp_path):
    write(tmp_path / 'set', [4])
    fast = task().model_copy(update={'rate_hz': 30})
    with pytest.raises(DatasetError, match="has 10 steps a second; task 'toy' has 30"):
        lerobot_read.read(tmp_path / 'set', fast)


def test_a_write_that_fails_leaves_the_old_set_and_nothing_else(tmp_path):
    path = tmp_path / 'set'
    write(path, [4])
    before = (path / 'meta/info.json').read_bytes()
    made = episode(3, 0)
    wrong = Episode(np.zeros((3, 5), np.float32), made.action, made.extra)
    with pytest.raises(DatasetError, match=r'state of the shape \(3, 5\); expected \(3, 2\)'):
        lerobot_write.write(path, [made, wrong], task())
    with pytest.raises(DatasetError, match='no episode to write'):
        lerobot_write.write(path, [], task())
    clash = Episode(made.state, made.action, {'timestamp': np.zeros(3)})
    with pytest.raises(DatasetError, match='timestamp is a name of LeRobot'):
        lerobot_write.write(path, [clash], task())
    fewer = Episode(made.state, made.action, {})
    with pytest.raises(DatasetError, match='has other arrays than the first'):
        lerobot_write.write(path, [made, fewer], task())
    with pytest.raises(DatasetError, match='an episode has wide of the shape None'):
        lerobot_write.write(path, [made], task(WIDE))
    assert (path / 'meta/info.json').read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_one_episode_is_held_at_a_time(tmp_path):
    made = []

    def episodes():
        for seed in range(5):
            assert sum(ref() is not None for ref in made) <= 1
            new = episode(4, seed, WIDE)
            made.append(weakref.ref(new))
            yield new
            del new

    lerobot_write.write(tmp_path / 'set', episodes(), task(WIDE))
    found = lerobot_read.read(tmp_path / 'set', task(WIDE)).episodes
    made = []
    for read_one in found:
        made.append(weakref.ref(read_one))
        assert sum(ref() is not None for ref in made) <= 2


def test_without_pyarrow_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pyarrow', None)
    monkeypatch.setitem(sys.modules, 'pyarrow.parquet', None)
    with pytest.raises(ImportError, match=r"pip install 'dp_ros\[lerobot\]'"):
        lerobot_write.write(tmp_path / 'set', [episode(3, 0)], task())


def oracle(*arguments):
    python = os.environ.get('DP_ROS_LEROBOT_PYTHON')
    if not python:
        pytest.skip('DP_ROS_LEROBOT_PYTHON names no interpreter that has lerobot')
    environment = {**os.environ, 'HF_HUB_OFFLINE': '1'}
    ended = subprocess.run(
        [python, ORACLE, *map(str, arguments)], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr


def test_the_real_lerobot_reads_what_was_written(tmp_path):
    path = tmp_path / 'set é'
    made = write(path, [12, 1, 25, 8], WIDE, ODD, storage=Storage(data_mb=0.01, video_mb=0.01))
    oracle('read', path, tmp_path / 'read.npz')
    found = dict(np.load(tmp_path / 'read.npz'))
    assert found['lengths'].tolist() == [12, 1, 25, 8]
    assert set(found['task']) == {'toy'}
    names = {'observation.state': 'state', 'action': 'action'}
    for key, name in names.items():
        wanted = np.concatenate([getattr(e, name) for e in made])
        np.testing.assert_array_equal(found[key], wanted)
    for key in ('stamp', 'keypoint'):
        np.testing.assert_array_equal(found[key], np.concatenate([e.extra[key] for e in made]))
    decoded = read(path, WIDE, ODD)
    for camera in (WIDE, ODD):
        frames = found[f'observation.images.{camera.name}'].transpose(0, 2, 3, 1) * 255
        ours = np.concatenate([e.extra[camera.name] for e in decoded])
        np.testing.assert_array_equal(frames.round().astype(np.uint8), ours)


def test_what_the_real_lerobot_writes_is_read(tmp_path):
    made = [episode(length, seed, WIDE) for seed, length in enumerate([9, 4, 15])]
    rows = {
        'observation.state': np.concatenate([e.state for e in made]),
        'action': np.concatenate([e.action for e in made]),
        'observation.images.wide': np.concatenate([e.extra['wide'] for e in made]),
        'effort': np.concatenate([e.extra['keypoint'][:, 0] for e in made]),
    }
    np.savez(tmp_path / 'rows.npz', **rows, length=[9, 4, 15])
    oracle('make', tmp_path / 'set', tmp_path / 'rows.npz')
    wanted = [
        Episode(e.state, e.action, {'wide': e.extra['wide'], 'effort': e.extra['keypoint'][:, 0]})
        for e in made
    ]
    assert_same(read(tmp_path / 'set', WIDE), wanted, bound_db=28)
