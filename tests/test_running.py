"""Processes of a graph while they run: restarts, what is lost, and the order of the end."""

import os
import signal
import sys
import time
from dataclasses import dataclass

import pytest

from dp_ros.core.backoff import Backoff
from dp_ros.ros_process import Process, Role
from dp_ros.running import STOP_ORDER, GraphError, last_words, running

SOON = Backoff(first_s=0.05, longest_s=0.1, most=2, within_s=60)
FOREVER = 'import time; print("here", flush=True); time.sleep(60)'
# Writes its name when it is told to end.
LOYAL = """
import signal, sys, time
def end(*_):
    time.sleep({slow})
    open({order!r}, 'a').write({name!r} + ' ')
    sys.exit()
signal.signal(signal.SIGINT, end)
print('here', flush=True)
time.sleep(60)
"""


@dataclass(frozen=True)
class Script(Process):
    """A process that runs a few lines instead of a node."""

    lines: str = ''

    def command(self):
        return [sys.executable, '-I', '-S', '-c', self.lines]


def wait_for(condition, what, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def is_here(graph, name):
    return 'here' in last_words(graph.logs / f'{name}.log')


def test_what_ends_is_started_again_and_told(tmp_path):
    told = []
    script = Script('policy', lines=FOREVER)
    with running([script], tmp_path, 1, SOON, told.append) as graph:
        first = graph.processes['policy']
        wait_for(lambda: is_here(graph, 'policy'), 'the first speaks')
        first.kill()
        wait_for(lambda: graph.restarts['policy'] == 1, 'a second comes')
        wait_for(lambda: graph.processes['policy'] is not first, 'a second is there')
        log = tmp_path / 'policy.log'
        wait_for(lambda: log.read_text().count('here') == 2, 'the second speaks')
        assert not graph.check()
        second = graph.processes['policy']
    assert second.poll() is not None
    assert '--- ended with code -9; restart 1 ---' in log.read_text()
    assert told == ['policy ended with code -9; it is started again in 0 s']


def test_one_that_ends_again_and_again_is_lost_with_its_last_words(tmp_path):
    script = Script('policy', lines='print("no luck"); raise SystemExit(3)')
    with running([script], tmp_path, 1, SOON) as graph:
        with pytest.raises(
            GraphError, match=r"(?s)'policy' ended with code 3 after 2 restarts; .*no luck"
        ):
            graph.wait(30)
        assert graph.restarts == {'policy': SOON.most}


def test_wrong_settings_are_not_tried_again(tmp_path):
    script = Script('policy', lines=f'raise SystemExit({os.EX_CONFIG})')
    with (
        running([script], tmp_path, 1, SOON) as graph,
        pytest.raises(GraphError, match='ended with code 78; '),
    ):
        graph.wait(30)


@pytest.mark.parametrize('backoff', [None, SOON])
def test_without_being_asked_nothing_is_restarted_and_a_world_never(tmp_path, backoff):
    kind = 'policy' if backoff is None else 'sim'
    script = Script(kind, lines='raise SystemExit(3)')
    with (
        running([script], tmp_path, 1, backoff) as graph,
        pytest.raises(GraphError, match='ended with code 3; '),
    ):
        graph.wait(30)
    assert graph.restarts == {kind: 0}


def test_the_graph_is_over_when_its_leader_is(tmp_path):
    leader = Script('rollout', leads=True, lines='pass')
    with running([Script('policy', lines=FOREVER), leader], tmp_path, 1, SOON) as graph:
        graph.wait(30)
    failing = Script('rollout', leads=True, lines='raise SystemExit(1)')
    with running([failing], tmp_path, 1, SOON) as graph, pytest.raises(GraphError, match='logs'):
        graph.wait(30)


def test_they_end_in_order_row_by_row(tmp_path):
    order = tmp_path / 'order'
    names = ['recorder', 'sim', 'policy', 'executor', 'manager']
    graph = [
        Script(
            name,
            lines=LOYAL.format(order=str(order), name=name, slow=0.2 if name != 'sim' else 0),
        )
        for name in names
    ]
    with running(graph, tmp_path / 'logs', 1) as running_graph:
        wait_for(lambda: all(is_here(running_graph, name) for name in names), 'all speak')
        begun = time.monotonic()
    ended = order.read_text().split()
    assert set(ended[:2]) == {'manager', 'executor'}
    assert set(ended[2:4]) == {'policy', 'sim'}
    assert ended[4:] == ['recorder']
    assert time.monotonic() - begun < 5


def test_the_arm_ends_before_its_robot_and_the_recorder_last():
    rows = [role for row in STOP_ORDER for role in row]
    assert sorted(rows, key=str) == sorted(Role, key=str)
    assert next(i for i, row in enumerate(STOP_ORDER) if Role.ARM in row) < next(
        i for i, row in enumerate(STOP_ORDER) if Role.CELL in row
    )
    assert STOP_ORDER[-1] == (Role.RECORDER,)


def test_a_frozen_process_is_woken_to_end(tmp_path):
    order = tmp_path / 'order'
    script = Script('policy', lines=LOYAL.format(order=str(order), name='policy', slow=0))
    with running([script], tmp_path, 1) as graph:
        wait_for(lambda: is_here(graph, 'policy'), 'it speaks')
        os.kill(graph.processes['policy'].pid, signal.SIGSTOP)
    assert order.read_text() == 'policy '


def test_one_that_does_not_listen_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr('dp_ros.running.STOP_TIMEOUT_S', 0.2)
    deaf = 'import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); ' + FOREVER
    with running([Script('policy', lines=deaf)], tmp_path, 1) as graph:
        wait_for(lambda: is_here(graph, 'policy'), 'it speaks')
    assert graph.processes['policy'].returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ('process', 'expected'),
    [
        (Process('executor'), True),
        (Process('camera', node='wrist'), True),
        (Process('sim'), False),
        (Process('sim', restarts=True), True),
        (Process('policy', restarts=False), False),
        (Process('rollout', leads=True), False),
        (Process('recorder', leads=True), False),
    ],
)
def test_who_is_restarted(process, expected):
    assert process.restarted is expected
