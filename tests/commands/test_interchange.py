"""dp-ros dataset export and import, as a person types it."""

import numpy as np
import pytest
import yaml

from dp_ros.data import frames, replay_buffer
from tests.data.cameras import FAR, NEAR, task
from tests.data.exchanged import episode, psnr

WIDE = NEAR.model_copy(update={'name': 'wide', 'size': (64, 48)})


@pytest.fixture
def toy(tmp_path):
    """A task file and a set of it, in a folder of a name that is not ASCII."""
    folder = tmp_path / 'Übung'
    folder.mkdir()
    description = task(WIDE, FAR)
    file, path = folder / 'toy.yaml', folder / 'set.zarr'
    file.write_text(yaml.safe_dump(description.model_dump(mode='json')))
    made = [episode(length, seed, WIDE, FAR) for seed, length in enumerate([6, 1, 9])]
    replay_buffer.write(path, made, description.cameras)
    return file, path


@pytest.mark.parametrize(
    ('form', 'name'),
    [('lerobot', 'out'), ('diffusion_policy', 'out.zarr'), ('umi', 'out.zarr.zip')],
)
def test_a_set_goes_out_and_comes_back(toy, dp_ros, form, name):
    file, path = toy
    out, back = path.parent / name, path.parent / 'back.zarr'
    code, told = dp_ros('dataset', 'export', path, '-o', out, '--format', form, '--task', file)
    assert (code, f'3 episodes as {form}' in told) == (0, True), told
    code, told = dp_ros('dataset', 'import', out, '-o', back, '--task', file)
    assert (code, '3 episodes of' in told) == (0, True), told
    assert form != 'lerobot' or 'what was to be done: toy' in told
    for mine, theirs in zip(replay_buffer.read(back), replay_buffer.read(path), strict=True):
        np.testing.assert_array_equal(mine.state, theirs.state)
        np.testing.assert_array_equal(mine.action, theirs.action)
    names = ('data/stamp', 'data/keypoint', 'meta/episode_ends')
    for mine, theirs in zip(
        replay_buffer.arrays(back, *names), replay_buffer.arrays(path, *names), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    # What a training would read of both.
    for camera in (WIDE, FAR):
        mine, theirs = (frames.FrameStore([p], camera).read(np.arange(16)) for p in (back, path))
        assert psnr(mine, theirs) > 36 if form == 'lerobot' else np.array_equal(mine, theirs)


def test_full_colour_is_told_in_the_info(toy, dp_ros):
    file, path = toy
    out = path.parent / 'out'
    words = ('--format', 'lerobot', '--task', file, '--full-colour')
    assert dp_ros('dataset', 'export', path, '-o', out, *words)[0] == 0
    assert '"video.pix_fmt": "yuv420p"' not in (out / 'meta/info.json').read_text()


def test_a_map_may_be_given_in_several_words(toy, dp_ros):
    file, path = toy
    back = path.parent / 'back.zarr'
    words = ('--map', 'tcp=keypoint[2,3]', '--map', 'action=state', '--map', 'far=far')
    code, told = dp_ros('dataset', 'import', path, '-o', back, '--task', file, *words)
    assert code == 0, told
    keypoint = replay_buffer.arrays(path, 'data/keypoint')[0]
    state, action = replay_buffer.arrays(back, 'data/state', 'data/action')
    np.testing.assert_array_equal(state, keypoint[:, 1])
    np.testing.assert_array_equal(action, replay_buffer.arrays(path, 'data/state')[0])
    assert 'left out: action' in told


def test_nothing_but_a_data_set_is_written_over(toy, fails):
    file, path = toy
    folder = path.parent / 'precious'
    folder.mkdir()
    (folder / 'thesis.txt').write_text('all of it')
    for form in ('lerobot', 'diffusion_policy', 'umi'):
        said = fails('dataset', 'export', path, '-o', folder, '--format', form, '--task', file)
        assert 'exists and is no data set of this format' in said
    said = fails('dataset', 'export', path, '-o', path, '--format', 'lerobot', '--task', file)
    assert 'exists and is no data set of this format' in said
    assert (folder / 'thesis.txt').read_text() == 'all of it'
    assert len(replay_buffer.read(path)) == 3


def test_a_set_of_another_task_is_a_sentence(toy, fails):
    _, path = toy
    out = path.parent / 'out'
    said = fails(
        'dataset', 'export', path, '-o', out, '--format', 'lerobot', '--task', 'pusht_cell'
    )
    assert 'state has 2 columns; state of the task has 5' in said
    assert not out.exists()


def test_what_is_no_data_set_is_a_sentence(toy, fails):
    file, path = toy
    words = ('-o', path.parent / 'back.zarr', '--task', file)
    said = fails('dataset', 'import', path.parent, *words)
    assert 'is neither a LeRobotDataset (a folder with meta/info.json) nor a replay buffer' in said
    said = fails('dataset', 'import', path.parent, '--format', 'lerobot', *words)
    assert 'is not a LeRobotDataset: expected meta/info.json' in said
    said = fails('dataset', 'import', path, '--map', 'tcp', *words)
    assert 'expected NAME=KEY' in said


def test_a_folder_that_cannot_be_written_is_a_sentence(toy, fails):
    file, path = toy
    (path.parent / 'file').write_text('')
    out = path.parent / 'file' / 'out'
    said = fails('dataset', 'export', path, '-o', out, '--format', 'lerobot', '--task', file)
    assert 'Not a directory' in said or 'File exists' in said
