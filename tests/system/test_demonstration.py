"""The scripted operator through Joy, teleop, executor and recorder: a whole demonstration."""

import pytest

from dp_ros.data import episode as episodes
from dp_ros.data import topic_names
from dp_ros.data.bag import open_bag

pytestmark = pytest.mark.timeout(180)


def test_an_episode_is_demonstrated_and_recorded(domain, tmp_path, dp_ros):
    root = tmp_path / 'aufnahmen'
    code, said = dp_ros('demonstrate', '-o', root, '--episodes', 1, '--seed', 3000)
    assert code == 0, said
    folder = root / 'episode_0001'
    told = episodes.load(folder)
    assert told.operator == 'scripted'
    assert told.outcome in ('success', 'failure')
    assert not sum(told.dropped.values())
    with open_bag(folder) as bag:
        modes = [m.message().data for m in bag.messages({topic_names.MODE})]
        assert modes[0] == 'idle'
        assert 'teleoperated' in modes
        seconds = bag.seconds
        # 50 Hz, while the deadman is pressed.
        assert bag.counts[topic_names.TWIST] > 20 * seconds
        assert bag.counts[topic_names.COMMAND] > 20 * seconds
    task, robot = episodes.settings(folder)
    assert task.name == 'pusht_cell'
    assert robot.simulated


def test_the_expert_does_not_know_every_task(fails, tmp_path):
    assert 'two_arcs' in fails('demonstrate', '-o', tmp_path, '--task', 'two_arcs')
