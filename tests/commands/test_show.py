"""dp-ros dataset show, as a person types it, and the story that it draws."""

import numpy as np
import pytest

from dp_ros.commands import show_rerun
from dp_ros.data import replay_buffer
from dp_ros.data.story import from_bag as story_bag
from dp_ros.data.story import from_set as story_set
from tests.data import drawn_bags
from tests.data.audited_bags import chunk, commands, frames, mode, poses, report, write
from tests.data.cameras import FAR, NEAR, filmed, task

SEEN, SEEING = task(NEAR, FAR), drawn_bags.robot(NEAR, FAR)
TIMES = [i / 50 for i in range(150)]
PNG = b'\x89PNG'


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    shots = [i / 30 for i in range(90)]
    said = [
        *poses(TIMES), *commands(TIMES), *frames(NEAR, shots), *frames(FAR, shots),
        mode(0.5, 'policy'), mode(2.5, 'stopped'), chunk(1.0), chunk(1.5),
        report(0.9, limited_speed=1), report(1.4, limited_speed=2), report(1.9, limited_speed=2),
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp('épisodes') / 'episode_0001'
    return write(folder, SEEN, SEEING, said, outcome='success')


def test_the_story_of_a_bag(bag):
    story = story_bag.read(bag, SEEN, SEEING, 4)
    assert story.title == 'episode_0001: toy, success'
    begun = 0.005
    for camera in (NEAR, FAR):
        times = [time for time, _ in story.film[camera.name]]
        assert times == pytest.approx([0.387, 1.132, 1.877, 2.622], abs=0.02)
        for time, shown in story.film[camera.name]:
            number = round(30 * (time + begun))
            np.testing.assert_array_equal(shown, drawn_bags.frame(camera, number))
    measured, commanded = story.panels['tcp y [m]']
    assert (measured.commanded, commanded.commanded) == (False, True)
    here = [drawn_bags.tip(t + begun)[1] for t in measured.times]
    np.testing.assert_allclose(measured.values, here, atol=1e-9)
    there = [drawn_bags.commanded(t + begun)[1] for t in commanded.times]
    np.testing.assert_allclose(commanded.values, there, atol=1e-9)
    assert [s.mode for s in story.stretches] == ['unknown', 'policy', 'stopped']
    assert story.marks['stop'] == [pytest.approx((2.5 - begun,) * 2)]
    assert [a for a, _ in story.marks['chunk takes over']] == pytest.approx(
        [1.0 - begun, 1.5 - begun]
    )
    assert story.marks['limit: speed'] == [pytest.approx((0.9 - begun, 1.4 - begun))]


def test_a_bag_is_drawn(bag, tmp_path, dp_ros):
    code, told = dp_ros('dataset', 'show', bag, '-o', tmp_path / 'a.png')
    assert (code, told) == (0, str(tmp_path / 'a.png'))
    assert (tmp_path / 'a.png').read_bytes().startswith(PNG)


def test_an_episode_of_a_set_is_drawn(tmp_path, dp_ros, fails):
    made = tmp_path / 'set.zarr'
    episodes = [filmed(20, 1, NEAR), filmed(30, 2, NEAR)]
    replay_buffer.write(made, episodes, (NEAR,))
    story = story_set.read(made, 1, 3)
    assert (story.unit, story.end) == ('steps', 30)
    assert [time for time, _ in story.film['near']] == [5, 15, 25]
    np.testing.assert_array_equal(story.film['near'][1][1], episodes[1].extra['near'][15])
    np.testing.assert_array_equal(story.panels['state'][0].values, episodes[1].state[:, 0])
    out = tmp_path / 'a.png'
    assert dp_ros('dataset', 'show', made, '--episode', 1, '-o', out)[0] == 0
    assert out.read_bytes().startswith(PNG)
    assert 'say which episode of it: --episode 0' in fails('dataset', 'show', made)
    assert fails('dataset', 'show', made, '--episode', 2).endswith('episodes 0 to 1; found 2')


def test_a_built_set_names_what_its_columns_are(tmp_path, dp_ros):
    folder = drawn_bags.record(tmp_path / 'bag', task(), drawn_bags.robot())
    made = tmp_path / 'set.zarr'
    assert dp_ros('dataset', 'build', folder, '-o', made, '--workers', 1)[0] == 0
    story = story_set.read(made, 0, 3)
    assert list(story.panels) == ['action x [m]', 'action y [m]']
    assert [curve.label for curve in story.panels['action x [m]']] == ['tcp x', 'action']
    assert [s.mode for s in story.stretches] == ['teleoperated']
    assert story.end == pytest.approx(1.7, abs=0.3)


def test_what_cannot_be_drawn_is_a_sentence(bag, tmp_path, fails):
    assert 'expected a name that ends with .png' in fails('dataset', 'show', bag, '-o', 'a.jpg')
    assert 'give --task and --robot' in fails('dataset', 'show', tmp_path)
    assert 'no such bag' in fails('dataset', 'show', tmp_path / 'nowhere')
    assert 'lacks /block_pose' in fails('dataset', 'show', bag, '--task', 'pusht_cell')
    nowhere = tmp_path / 'nowhere'
    assert 'no such data set' in fails('dataset', 'show', nowhere, '--episode', 0)


def test_without_rerun_it_says_what_to_install(bag, tmp_path, fails, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'rerun', None)
    told = fails('dataset', 'show', bag, '-o', tmp_path / 'a.png', '--rerun')
    assert "pip install 'dp_ros[rerun]'" in told
    assert not list(tmp_path.iterdir())


def test_a_recording_for_rerun(bag, tmp_path):
    pytest.importorskip('rerun', reason='an extra')
    show_rerun.write_bag(bag, SEEN, SEEING, tmp_path / 'a.rrd')
    assert (tmp_path / 'a.rrd').read_bytes()[:4] == b'RRF2'
