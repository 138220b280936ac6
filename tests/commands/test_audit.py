"""dp-ros dataset audit, as a person types it."""

import json

import pytest

from tests.data import drawn_bags
from tests.data.audited_bags import commands, mode, poses, write
from tests.data.cameras import task

PLAIN, ROBOT = task(), drawn_bags.robot()
TIMES = [i / 50 for i in range(150)]
PNG = b'\x89PNG'


def said(shift=0.0, without=()):
    times = [t + shift for i, t in enumerate(TIMES) if i not in without]
    return [*poses(times), *commands(times), mode(shift, 'teleoperated')]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A good episode, one with gaps, one that is damaged, a copy, and one in the trash."""
    folder = tmp_path_factory.mktemp('épisodes')
    write(folder / 'episode_0001', PLAIN, ROBOT, said(), outcome='success')
    write(folder / 'episode_0002', PLAIN, ROBOT, said(0.1, range(40, 80)), outcome='success')
    damaged = write(folder / 'episode_0003', PLAIN, ROBOT, said(0.2))
    file = next(damaged.glob('*.mcap'))
    file.write_bytes(file.read_bytes()[:2000])
    write(folder / 'episode_0004', PLAIN, ROBOT, said())
    write(folder / 'trash' / 'episode_0005', PLAIN, ROBOT, said())
    return folder


def test_the_bad_ones_are_told_in_a_table_json_and_a_picture(root, tmp_path, dp_ros):
    code, told = dp_ros('dataset', 'audit', root, '-o', tmp_path)
    assert code == 0, told
    assert 'episode_0002: tcp: largest gap 820 ms; 300 ms allowed' in told
    assert 'episode_0003: ' in told
    assert 'damaged' in told or 'cannot be opened' in told
    assert f'episode_0004: holds the same samples as {root / "episode_0001"}' in told
    assert '4 episodes, 3 with complaints' in told
    assert 'episode_0005' not in told
    known = json.loads((tmp_path / 'audit.json').read_text(encoding='utf-8'))
    good, gap, damaged, copy = known['episodes']
    assert good['complaints'] == []
    assert good['modes'] == {'teleoperated': pytest.approx(2.98, abs=0.02)}
    assert gap['streams'][0]['missing'] == 40
    assert gap['windows']['lost'] > 0.2
    assert damaged['error']
    assert copy['fingerprint'] == good['fingerprint']
    assert known['thresholds']['gap_ms'] == 300
    assert (tmp_path / 'audit.png').read_bytes().startswith(PNG)


def test_strict_fails_on_a_complaint_only(root, tmp_path, dp_ros):
    code, _ = dp_ros('dataset', 'audit', root / 'episode_0001', '--strict', '-o', tmp_path)
    assert code == 0
    code, _ = dp_ros('dataset', 'audit', root, '--strict', '-o', tmp_path)
    assert code == 1


def test_thresholds_and_the_task_may_be_others(root, tmp_path, dp_ros, fails):
    loose = tmp_path / 'loose.yaml'
    loose.write_text('{windows_lost: 1, drops: 1, gap_ms: 5000}')
    bag = root / 'episode_0002'
    arguments = ('dataset', 'audit', bag, '-o', tmp_path, '--thresholds', loose)
    assert '1 episodes, 0 with complaints' in dp_ros(*arguments)[1]
    code, told = dp_ros(*arguments, '--task', 'pusht_cell')
    assert (code, 'lacks /block_pose' in told) == (0, True)
    loose.write_text('{drops: 2}')
    assert 'drops: Input should be less than or equal to 1' in fails(*arguments)


def test_no_bag_is_a_sentence_and_a_bag_of_others_needs_a_task(root, tmp_path, dp_ros, fails):
    assert 'is no bag and holds none' in fails('dataset', 'audit', tmp_path, '-o', tmp_path / 'o')
    foreign = write(tmp_path / 'foreign', PLAIN, ROBOT, said())
    (foreign / 'episode.yaml').unlink()
    _, told = dp_ros('dataset', 'audit', foreign, '-o', tmp_path)
    assert 'has no episode.yaml; give --task and --robot' in told


def test_two_hundred_episodes_are_drawn(tmp_path):
    from dp_ros.commands import audit_picture
    from dp_ros.commands.audit import Damaged
    from dp_ros.data.audit import Thresholds, audit

    folder = write(tmp_path / 'bag', PLAIN, ROBOT, said(0.0, range(40, 80)))
    found = audit(folder, PLAIN, ROBOT, Thresholds())
    rows = [found if i % 20 else Damaged(folder, 'lost') for i in range(200)]
    audit_picture.draw(rows, [f'e{i}' for i in range(200)], Thresholds(), tmp_path / 'a.png')
    assert (tmp_path / 'a.png').read_bytes().startswith(PNG)
