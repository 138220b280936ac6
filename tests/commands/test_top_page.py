"""The page of `dp-ros top`, from statuses to what a person reads."""

import io

import pytest
from rich.console import Console

from dp_ros.commands.top_page import page
from dp_ros.core.mode import ADVICE, Mode
from dp_ros.core.status_board import Level, StatusBoard

EXECUTOR = {
    'mode': 'holding',
    'controller': 'running',
    'driver': 'ur',
    'address': '127.0.0.2',
    'rate_hz': '124.96',
    'period_ms_p99': '9.31',
    'period_ms_max': '30.0',
    'overruns': '3',
    'policy_ticks': '1000',
    'idle_ticks': '20',
    'protective_stops': '1',
    'link_losses': '2',
    'link_lost_by': 'muted: 2',
    'chunks_accepted': '41',
    'chunks_late': '2',
    'chunks_not_finite': '0',
    'limited_speed': '7',
}
OBSERVATION = {
    'tcp_age_ms': '12.0',
    'tcp_rate_hz': '60.1',
    'tcp_late': '0',
    'wrist_age_ms': '400.0',
    'wrist_rate_hz': '29.9',
    'wrist_duplicates': '4',
    'refused_wrist_stale': '9',
    'last_refusal': 'wrist: the newest sample is too old',
}
CAMERA = {'rate_hz': '29.9', 'age_ms': '400', 'dropped': '5', 'repeated': '0', 'reconnects': '1'}
MANAGER = {
    'executor': 'active',
    'wrist': 'silent',
    'wrist_restarts': '2',
    'last_hold': 'wrist is silent for 1.0 s',
}


@pytest.fixture
def board():
    made = StatusBoard()
    made.hear('executor', Level.WARN, 'the chunks ran out', EXECUTOR, 10)
    made.hear('executor/mode', Level.WARN, 'the chunks ran out', {'mode': 'holding'}, 9)
    made.hear('observation', Level.ERROR, 'wrist is too old', OBSERVATION, 10)
    made.hear('camera/wrist', Level.OK, 'frames come', CAMERA, 6)
    made.hear('manager', Level.ERROR, 'wrist is silent', MANAGER, 10)
    recorder = {'disk_left_gb': '12.3', 'seconds': '4', 'lost': '6', 'mb_per_s': '1'}
    made.hear('recorder', Level.OK, 'recording episode_0001', recorder, 10)
    made.hear('sim', Level.OK, 'real time', {'real_time_factor': '0.990'}, 10)
    for name, values in (
        ('inference/chunk', {'window_ms': '30', 'inference_ms': '40', 'splice_ns': '5'}),
        ('executor/chunk', {'transport_ms': '2', 'verdict': 'accepted', 'splice_ns': '5'}),
    ):
        made.hear(name, Level.OK, '', values, 10)
    return made


def shown(board, now_s=10.0, width=160):
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(page(board, now_s))
    return console


def lines(board, now_s=10.0):
    return shown(board, now_s).export_text().splitlines()


def line_with(words, found):
    (line,) = [line for line in found if words in line]
    return ' '.join(line.split())


def test_a_person_sees_why_the_arm_stopped(board):
    found = lines(board)
    assert 'HOLDING the chunks ran out' in line_with('HOLDING', found)
    assert f'next: {ADVICE[Mode.HOLDING]}' in line_with('next:', found)
    assert 'wrist is silent for 1.0 s' in line_with('held last', found)
    assert 'controller: running ur at 127.0.0.2' in line_with('controller:', found)


def test_the_figures_of_the_motion(board):
    found = lines(board)
    control = 'control 125.0 Hz period p99 9.3 ms, max 30.0 ms overruns 3'
    assert line_with('period p99', found) == control
    assert line_with('accepted 41', found) == 'chunks accepted 41 late 2 idle 2.0%'
    assert 'p50 72 ms, p99 72 ms of 1;' in line_with('chunk latency', found)
    assert line_with('limits', found) == 'limits speed 7'
    assert 'protective stops 1 link losses 2 (muted: 2)' in line_with('stops', found)
    assert 'episode_0001; 12.3 GB left; 6 lost' in line_with('GB left', found)
    assert '0.990 of real time' in line_with('of real time', found)


def test_each_stream_where_it_is_captured_and_where_it_is_seen(board):
    found = lines(board)
    wrist = next(line for line in found if line.startswith('wrist '))
    assert ' '.join(wrist.split()) == (
        'wrist 29.9 Hz dropped 5 reconnects 1 29.9 Hz 400.0 ms duplicates 4 stale 9'
    )
    tcp = next(line for line in found if line.startswith('tcp '))
    assert ' '.join(tcp.split()) == 'tcp - 60.1 Hz 12.0 ms'


def test_what_is_old_is_shown_as_stale(board):
    assert line_with('camera/wrist', lines(board)).endswith('silent 2 STALE: frames come 4.0 s')
    assert 'STALE' not in line_with('sim ', lines(board))
    later = lines(board, 20)
    assert 'the executor says nothing since 10.0 s' in line_with('says nothing', later)


@pytest.mark.parametrize('mode', list(Mode))
def test_every_mode_has_a_page(board, mode):
    board.hear('executor', Level.OK, 'so', {**EXECUTOR, 'mode': mode.value}, 11)
    found = lines(board, 12)
    assert f'{mode.value.upper()} so' in line_with(f' {mode.value.upper()} ', found)
    assert ADVICE[mode] in line_with('next:', found)


def test_an_executor_that_is_not_active_or_not_there(board):
    board.hear('executor', Level.ERROR, 'no answer from 10.0.0.2', {}, 11)
    assert 'NOT ACTIVE no answer from 10.0.0.2' in line_with('NOT ACTIVE', lines(board, 11))
    del board.statuses['executor']
    assert 'no executor speaks' in line_with('no executor', lines(board, 11))


def test_an_empty_graph_is_a_sentence():
    assert 'nobody speaks' in lines(StatusBoard())[0]


def test_it_fits_a_narrow_terminal(board):
    assert max(map(len, shown(board, width=80).export_text().splitlines())) <= 80


def test_brackets_in_what_nodes_say_are_no_markup(board):
    board.hear('sim', Level.OK, 'port [bold]29999[/nothing]', {}, 10)
    assert '[bold]29999[/nothing]' in line_with('29999', lines(board))
