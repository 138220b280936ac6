import json
import shutil
import sys
import zipfile

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import ZipStore

from dp_ros.data import replay_buffer
from dp_ros.data.key_map import Source, parse
from dp_ros.data.replay_buffer import DatasetError, Episode
from dp_ros.data.umi import read as umi
from dp_ros.data.umi import write as umi_write
from tests.data.cameras import FAR, NEAR, filmed, task
from tests.data.exchanged import pose_task, smooth

LENGTHS = [7, 1, 12]
POSITION, ROTATION = 'robot0_eef_pos', 'robot0_eef_rot_axis_angle'


def read(path, of=None, mapping=(), next_actions=False):
    found = umi.read(path, of or task(), parse(mapping), next_actions)
    episodes = list(found.episodes)
    assert len(episodes) == found.count
    return episodes


def assert_same(found, wanted):
    assert [len(e) for e in found] == [len(e) for e in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        for name, rows in {'state': theirs.state, 'action': theirs.action, **theirs.extra}.items():
            got = getattr(mine, name, None)
            got = mine.extra[name] if got is None else got
            assert got.dtype == rows.dtype
            np.testing.assert_array_equal(got, rows)


def made(*cameras):
    return [filmed(length, seed, *cameras) for seed, length in enumerate(LENGTHS)]


def foreign(path, ends=(4, 9), frames=None, codec=None, attributes=None, **arrays):
    """A replay buffer as others write it: in a folder, or a zip file if `path` says so."""
    store = ZipStore(str(path), mode='w') if path.suffix == '.zip' else str(path)
    root = zarr.open_group(store, mode='w', zarr_format=2)
    data, meta = root.create_group('data'), root.create_group('meta')
    for name, rows in arrays.items():
        data.create_array(
            name,
            data=np.asarray(rows),
            chunks=(3, *rows.shape[1:]),
            config={'write_empty_chunks': True},
        )
    for name, rows in (frames or {}).items():
        array = data.create_array(
            name, shape=rows.shape, chunks=(1, *rows.shape[1:]), dtype='u1',
            **({'compressors': codec} if codec else {}),
        )  # fmt: skip
        array[:] = rows
        array.attrs.update(attributes or {})
    if ends is not None:
        meta.create_array('episode_ends', data=np.array(ends, np.int64))
    if path.suffix == '.zip':
        store.close()
    return path


def rows(columns, seed=0, count=9):
    return np.random.default_rng(seed).normal(size=(count, columns)).astype(np.float32)


@pytest.mark.parametrize('name', ['set é.zarr', 'Датасет.zarr.zip'])
def test_a_set_goes_out_as_diffusion_policy_and_comes_back_bit_for_bit(tmp_path, name):
    wanted = made(NEAR, FAR)
    count = umi_write.write_diffusion_policy(tmp_path / name, iter(wanted), task(NEAR, FAR))
    assert count == 3
    assert_same(read(tmp_path / name, task(NEAR, FAR)), wanted)
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_a_zip_holds_the_keys_of_a_zarr_store_uncompressed(tmp_path):
    umi_write.write_umi(tmp_path / 'set.zarr.zip', made(NEAR), task(NEAR))
    with zipfile.ZipFile(tmp_path / 'set.zarr.zip') as archive:
        names = archive.namelist()
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
    wanted = {
        '.zgroup',
        'meta/episode_ends/0',
        'data/camera0_rgb/19.0.0.0',
        f'data/{POSITION}/0.0',
    }
    assert wanted <= set(names)
    assert not [name for name in names if name.endswith('/')]


def test_a_set_of_whole_poses_goes_out_as_umi_and_comes_back_bit_for_bit(tmp_path):
    whole = pose_task(NEAR, gripper=True)
    wanted = []
    for seed, length in enumerate(LENGTHS):
        frames = filmed(length, seed, NEAR).extra['near']
        wanted.append(Episode(rows(7, seed, length), rows(6, seed + 9, length), {'near': frames}))
    path = tmp_path / 'set.zarr.zip'
    assert umi_write.write_umi(path, wanted, whole) == 3
    assert_same(read(path, whole), wanted)
    with ZipStore(str(path), mode='r') as store:
        data = zarr.open_group(store, mode='r')['data']
        assert sorted(data.keys()) == [
            'action', 'camera0_rgb', 'robot0_demo_end_pose', 'robot0_demo_start_pose',
            'robot0_eef_pos', 'robot0_eef_rot_axis_angle', 'robot0_gripper_width',
        ]  # fmt: skip
        state = np.concatenate([e.state for e in wanted])
        np.testing.assert_array_equal(data[POSITION][:], state[:, :3])
        np.testing.assert_array_equal(data[ROTATION][:], state[:, 3:6])
        np.testing.assert_array_equal(data['robot0_gripper_width'][:], state[:, 6:])
        np.testing.assert_array_equal(data['robot0_demo_start_pose'][7:9], state[[7, 8], :6])
        np.testing.assert_array_equal(data['robot0_demo_end_pose'][8], state[19, :6])
        assert data['camera0_rgb'].chunks == (1, 12, 16, 3)


def test_a_planar_task_goes_out_as_umi_with_what_its_action_holds_fixed(tmp_path):
    wanted = made(NEAR)
    umi_write.write_umi(tmp_path / 'set.zarr', wanted, task(NEAR))
    data = zarr.open_group(str(tmp_path / 'set.zarr'), mode='r')['data']
    np.testing.assert_array_equal(data[POSITION][:, 2], np.zeros(20))
    assert data['action'].shape == (20, 6)
    assert_same(read(tmp_path / 'set.zarr', task(NEAR)), wanted)


def test_tasks_that_umi_cannot_tell_are_sentences(tmp_path):
    path = tmp_path / 'set.zarr'
    plain = task()
    turned = plain.observations[0].model_copy(update={'components': ('x', 'yaw')})
    with pytest.raises(
        DatasetError, match='UMI keeps poses as x y z rx ry rz; the task has x yaw'
    ):
        umi_write.write_umi(path, made(), plain.model_copy(update={'observations': (turned,)}))
    two = tuple(turned.model_copy(update={'name': name}) for name in 'ab')
    with pytest.raises(DatasetError, match='has the pose streams a, b and none that is named tcp'):
        umi_write.write_umi(path, made(), plain.model_copy(update={'observations': two}))
    assert not list(tmp_path.iterdir())


def test_umi_names_are_known_and_actions_taken_from_the_next_pose(tmp_path):
    arrays = {POSITION: rows(3), ROTATION: rows(3, 1), 'robot0_gripper_width': rows(1, 2)}
    path = foreign(tmp_path / 'umi.zarr.zip', robot0_demo_start_pose=rows(6, 3), **arrays)
    with pytest.raises(DatasetError, match='UMI records poses and no actions: add --next-actions'):
        read(path, pose_task(gripper=True))
    found = read(path, pose_task(gripper=True), next_actions=True)
    poses = np.concatenate(list(arrays.values()), axis=1)
    np.testing.assert_array_equal(np.concatenate([e.state for e in found]), poses)
    for episode in found:
        np.testing.assert_array_equal(episode.action[:-1], episode.state[1:, :6])
        np.testing.assert_array_equal(episode.action[-1], episode.state[-1, :6])
    np.testing.assert_array_equal(found[1].extra['robot0_demo_start_pose'], rows(6, 3)[4:])


def test_frames_in_jpeg_xl_are_read(tmp_path):
    numcodecs = pytest.importorskip('imagecodecs.numcodecs')
    numcodecs.register_codecs(verbose=False)
    wide = NEAR.model_copy(update={'size': (64, 48)})
    frames = smooth(9, (64, 48), 0)
    path = foreign(
        tmp_path / 'umi.zarr', frames={'camera0_rgb': frames}, codec=numcodecs.Jpegxl(level=99),
        tcp=rows(2), action=rows(2, 1),
    )  # fmt: skip
    found = read(path, task(wide), ['near=camera0_rgb'])
    close = np.abs(np.concatenate([e.extra['near'] for e in found]).astype(int) - frames)
    assert close.max() <= 8


def test_without_their_codec_frames_are_a_sentence(tmp_path, monkeypatch):
    path = foreign(tmp_path / 'umi.zarr', frames={'camera0_rgb': smooth(9, (16, 12), 0)})
    header = path / 'data/camera0_rgb/.zarray'
    about = json.loads(header.read_text())
    header.write_text(json.dumps({**about, 'compressor': {'id': 'imagecodecs_unheard_of'}}))
    for name in ('imagecodecs', 'imagecodecs.numcodecs'):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DatasetError, match=r"not installed: pip install 'dp_ros\[umi\]'"):
        read(path, task(NEAR))


def test_keys_named_as_the_streams_need_no_map(tmp_path):
    path = foreign(tmp_path / 'set.zarr', tcp=rows(2), action=rows(2, 1), other=rows(4, 2))
    found = read(path)
    np.testing.assert_array_equal(np.concatenate([e.state for e in found]), rows(2))
    assert [e.start for e in found] == [0, 4]
    np.testing.assert_array_equal(found[0].extra['other'], rows(4, 2)[:4])


def test_columns_are_chosen_and_put_side_by_side(tmp_path):
    path = foreign(tmp_path / 'set.zarr', p=rows(3), q=rows(3, 1), u=rows(9, 2)[:, :1])
    found = read(path, mapping=['tcp=p[2],q[0]', 'action=q[1,0]'])
    state, action = (np.concatenate([getattr(e, n) for e in found]) for n in ('state', 'action'))
    np.testing.assert_array_equal(state, np.stack([rows(3)[:, 2], rows(3, 1)[:, 0]], axis=1))
    np.testing.assert_array_equal(action, rows(3, 1)[:, [1, 0]])


def test_full_frames_are_prepared_and_frames_of_the_size_taken_as_they_are(tmp_path):
    frames = smooth(9, (64, 48), 0)
    path = foreign(tmp_path / 'a.zarr', frames={'near': frames}, state=rows(2), action=rows(2))
    averaged = frames.reshape(9, 12, 4, 16, 4, 3).mean(axis=(2, 4))
    found = np.concatenate([e.extra['near'] for e in read(path, task(NEAR))])
    assert np.abs(found - averaged).max() <= 1
    small = averaged.astype(np.uint8)
    path = foreign(tmp_path / 'b.zarr', frames={'near': small}, state=rows(2), action=rows(2))
    found = np.concatenate([e.extra['near'] for e in read(path, task(NEAR))])
    np.testing.assert_array_equal(found, small)
    with pytest.raises(DatasetError, match=r'data/near has frames uint8 \(12, 16, 3\); expected'):
        read(path, task(NEAR.model_copy(update={'size': (20, 10)})))


def test_what_does_not_fit_the_task_names_key_found_and_expected(tmp_path):
    frames = {'near': smooth(9, (16, 12), 0)}
    path = foreign(tmp_path / 'set.zarr', frames=frames, pos=rows(3), act=rows(2))

    def refused(match, *mapping, of=None):
        with pytest.raises(DatasetError, match=match):
            read(path, of, mapping)

    refused('no state: expected the key state, or a key each for the streams tcp; found act, near')
    refused('no numbers action for action; found act, near, pos', 'tcp=pos[0,1]')
    refused(r'pos has 3 columns; tcp of the task has 2 \(x, y\)', 'tcp=pos', 'action=act')
    refused('pos has 3 columns; column 3 of it was to be tcp', 'tcp=pos[0,3]')
    refused(r'no numbers near for tcp \(it holds images\)', 'tcp=near')
    refused("--map names arm; task 'toy' has action, state, tcp", 'arm=pos')
    refused('--map names state and streams of it', 'state=act', 'tcp=act')
    both = ['tcp=act', 'action=act']
    refused("no frames far for camera 'far'; found act, near, pos", *both, of=task(FAR))
    refused(
        r'no frames act for camera .near. is \(2,\), no frames', *both, 'near=act', of=task(NEAR)
    )
    refused('frames of a camera stand under one key', *both, 'near=near,act', of=task(NEAR))


def test_bad_sets_are_sentences(tmp_path):
    whole = foreign(tmp_path / 'whole.zarr', state=rows(2), action=rows(2))

    def refused(match, damage):
        copy = tmp_path / 'copy'
        shutil.copytree(whole, copy)
        damage(copy)
        with pytest.raises(DatasetError, match=match):
            read(copy)
        shutil.rmtree(copy)

    def group(copy):
        return zarr.open_group(str(copy), mode='r+')

    def spoilt(copy):
        group(copy)['data/action'][6, 1] = np.nan

    def longer(copy):
        group(copy)['data/action'].resize((12, 2))

    def unordered(copy):
        group(copy)['meta/episode_ends'][:] = [9, 4]

    def garbled(copy):
        (copy / 'data/state/1.0').write_bytes(b'nonsense')

    refused('is not finite in 1 rows of an episode, first row 6 of the set', spoilt)
    refused('data/action has 12 rows; the episodes end at 9', longer)
    refused('1 of 3 chunks of state are missing', lambda c: (c / 'data/state/1.0').unlink())
    refused('rows 0 to 4 cannot be read', garbled)
    refused('must rise from episode to episode', unordered)
    refused('expected meta/episode_ends', lambda c: shutil.rmtree(c / 'meta'))
    refused('expected a group data', lambda c: shutil.rmtree(c / 'data'))
    with pytest.raises(DatasetError, match='no such data set'):
        read(tmp_path / 'nothing')
    (tmp_path / 'x.zarr.zip').write_bytes(b'PK\x03\x04 no zip')
    with pytest.raises(DatasetError, match='is not a replay buffer: expected a zarr group'):
        read(tmp_path / 'x.zarr.zip')


def test_a_write_that_fails_leaves_the_old_set(tmp_path):
    path = tmp_path / 'set.zarr.zip'
    umi_write.write_diffusion_policy(path, made(), task())
    before = path.read_bytes()
    wrong = Episode(rows(3), rows(2), {})
    with pytest.raises(DatasetError, match='an episode holds'):
        umi_write.write_diffusion_policy(path, [*made(), wrong], task())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


SOURCES = st.builds(
    Source,
    st.text('ab_./', min_size=1, max_size=9),
    st.none() | st.lists(st.integers(0, 99), min_size=1, max_size=4).map(tuple),
)


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.text('ab_', min_size=1, max_size=9),
        st.lists(SOURCES, min_size=1, max_size=3).map(tuple),
        max_size=3,
    )
)
def test_a_key_map_is_read_as_it_is_written(wanted):
    texts = [
        f'{name}={",".join(str(source).replace(" ", "") for source in sources)}'
        for name, sources in wanted.items()
    ]
    assert parse(texts) == wanted


@pytest.mark.parametrize('text', ['', 'tcp', 'tcp=', '=key', 'tcp=a[', 'tcp=a[x]', 'tcp=a,,b'])
def test_a_key_map_that_is_none_is_a_sentence(text):
    with pytest.raises(ValueError, match='expected NAME=KEY or'):
        parse([text])


def test_our_own_sets_are_read_with_all_that_they_hold(tmp_path):
    wanted = made(NEAR, FAR)
    replay_buffer.write(tmp_path / 'set.zarr', wanted, (NEAR, FAR))
    assert_same(read(tmp_path / 'set.zarr', task(NEAR, FAR)), wanted)
    found = umi.read(tmp_path / 'set.zarr', task(NEAR))
    assert found.left_out == ('far',)
    other = NEAR.model_copy(update={'crop': (0, 0, 32, 24)})
    with pytest.raises(DatasetError, match='data/near was prepared as'):
        read(tmp_path / 'set.zarr', task(other))
