"""dp-ros dataset build, as a person types it."""

import shutil
import sys

import pytest

from dp_ros import yamlfile
from dp_ros.data import episode, recordings, replay_buffer
from dp_ros.data.episode_steps import CommandedBy
from dp_ros.robot import Robot
from dp_ros.task import Task
from tests.data import drawn_bags
from tests.data.cameras import NEAR, task

PLAIN, ROBOT = task(), drawn_bags.robot()


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A recorder's folder: two good episodes, one that failed, one in the trash."""
    folder = tmp_path_factory.mktemp('enregistré')
    drawn_bags.record(folder / 'episode_0001', PLAIN, ROBOT)
    drawn_bags.record(folder / 'episode_0002', PLAIN, ROBOT, 2.2, outcome='failure')
    drawn_bags.record(
        folder / 'episode_0003', PLAIN, ROBOT, 2.4, ((0.0, 'teleoperated'), (1.4, 'policy'))
    )
    drawn_bags.record(folder / 'episode_0004', PLAIN, ROBOT, 1.2)
    episode.discard(folder / 'episode_0004')
    return folder


def test_a_folder_of_recordings_becomes_a_set(root, tmp_path, dp_ros):
    out = tmp_path / 'set'
    code, told = dp_ros('dataset', 'build', root, '-o', out, '--workers', 1)
    assert code == 0, told
    assert 'bags in a trash folder, passed by: 1' in told
    assert f'left out: {root / "episode_0002"}: outcome failure' in told
    assert 'bags: 2 of 3; episodes: 2 teleoperated; steps: 29 of 0.1 s, 12 to 17' in told
    assert 'state: tcp.x, tcp.y action: x, y operator: 1 stamp: 1' in told
    # No task and no recipe of this name ship.
    assert f'Next: dp-ros train {out} --task TOY.yaml --recipe paper_unet_state -o' in told
    assert [len(e) for e in recordings.read([out], PLAIN).episodes] == [17, 12]
    code, told = dp_ros(
        'dataset', 'build', root, '-o', out, '--workers', 1, '--force', '--commanded-by', 'anyone'
    )
    assert code == 0, told
    assert 'bags: 3 of 3; episodes: 3 teleoperated, 1 policy' in told
    assert 'left out: 3 steps (no command at their end)' in told
    assert [len(e) for e in replay_buffer.read(out)] == [17, 19, 12, 8]


def test_bags_that_yield_nothing_name_what_would_take_them(root, tmp_path, fails):
    bag, out = root / 'episode_0001', tmp_path / 'set'
    told = fails('dataset', 'build', bag, '-o', out, '--commanded-by', 'policy')
    assert 'take it with --commanded-by teleoperated or anyone' in told
    assert told.endswith('was not written: no bag yields an episode')
    assert not list(tmp_path.iterdir())


def altered(bag, target, kind, **changes):
    """A copy of a bag whose episode.yaml tells of another task or robot."""
    shutil.copytree(bag, target)
    known = episode.load(bag)
    fields = {**getattr(known, kind), **changes}
    episode.save(known.model_copy(update={kind: fields}), target)
    return target


def test_bags_of_two_tasks_are_refused_and_one_task_reads_them(root, tmp_path, fails, dp_ros):
    first, out = root / 'episode_0001', tmp_path / 'set'
    other = altered(root / 'episode_0003', tmp_path / 'other', 'task', rate_hz=20)
    told = fails('dataset', 'build', first, other, '-o', out)
    assert told.startswith(f'{first} and {other} were recorded for different tasks: rate_hz: 10.0')
    assert 'against 20.0' in told
    file = tmp_path / 'task.yaml'
    file.write_text(yamlfile.dump(yamlfile.parse(Task, PLAIN.model_dump(), '')))
    code, told = dp_ros(
        'dataset', 'build', first, other, '-o', out, '--task', file, '--workers', 1
    )
    assert (code, 'bags: 2 of 2' in told) == (0, True), told


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        ({'latencies_s': {'/tcp_pose': 0.01}}, 'latencies_s./tcp_pose: 0.0 against 0.01'),
        ({'arm': {**ROBOT.arm.model_dump(), 'tcp_offset': [0] * 6}}, 'arm.tcp_offset: '),
    ],
)
def test_bags_of_two_robots_are_refused(root, tmp_path, fails, changes, told):
    first = root / 'episode_0001'
    other = altered(first, tmp_path / 'other', 'robot', **changes)
    said = fails('dataset', 'build', first, other, '-o', tmp_path / 'set')
    assert said.startswith(f'{first} and {other} were recorded with different robots: {told}')


def test_what_does_not_change_the_meaning_of_messages_may_differ(root, tmp_path, dp_ros):
    first = root / 'episode_0001'
    other = altered(root / 'episode_0003', tmp_path / 'other', 'robot', rate_hz=500)
    code, told = dp_ros('dataset', 'build', first, other, '-o', tmp_path / 'set', '--workers', 1)
    assert (code, 'bags: 2 of 2' in told) == (0, True), told


def test_bags_of_another_recorder_need_task_and_robot(root, tmp_path, fails, dp_ros):
    stock = shutil.copytree(root / 'episode_0001', tmp_path / 'stock')
    (stock / episode.FILE).unlink()
    out, files = tmp_path / 'set', {}
    assert 'has no episode.yaml; give --task and --robot' in fails(
        'dataset', 'build', stock, '-o', out
    )
    for kind, settings in ((Task, PLAIN), (Robot, ROBOT)):
        files[kind] = tmp_path / f'{kind.__name__}.yaml'
        files[kind].write_text(yamlfile.dump(yamlfile.parse(kind, settings.model_dump(), '')))
    code, told = dp_ros(
        'dataset', 'build', stock, '-o', out, '--task', files[Task], '--robot', files[Robot]
    )
    assert (code, 'bags: 1 of 1' in told) == (0, True), told


def test_ray_that_is_not_installed_is_a_sentence(root, tmp_path, fails, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    told = fails('dataset', 'build', root, '-o', tmp_path / 'set', '--ray', 'local')
    assert told.endswith("pip install 'dp_ros[ray]'")


def test_a_robot_without_the_camera_is_named(tmp_path, fails):
    bag = drawn_bags.record(tmp_path / 'bag', task(NEAR), ROBOT, 1.0)
    told = fails('dataset', 'build', bag, '-o', tmp_path / 'set')
    assert "sees the cameras ['near']; the robot file has []" in told


def test_a_read_only_output_is_a_sentence(root, fails):
    told = fails('dataset', 'build', root / 'episode_0001', '-o', '/sys/set', '--workers', 1)
    assert told.startswith('/sys/set was not written: ')
    assert told.split(': ')[1].startswith(('Read-only', 'Permission', 'Operation'))


def test_no_bag_at_all_is_a_sentence(tmp_path, fails):
    (tmp_path / 'empty').mkdir()
    told = fails('dataset', 'build', tmp_path / 'empty', '-o', tmp_path / 'set')
    assert 'is no bag and holds none' in told


def test_the_command_line_offers_every_commander():
    from dp_ros.cli.datasets import Commander

    assert [one.value for one in Commander] == [one.value for one in CommandedBy]
