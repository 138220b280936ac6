"""What the page of health is made of."""

import pytest

from dp_ros.core.status_board import CHUNKS, STALE_S, Level, StatusBoard


def test_a_status_grows_stale():
    board = StatusBoard()
    board.hear('sim', Level.OK, 'real time', {}, 10.0)
    status = board.statuses['sim']
    assert not status.is_stale(10 + STALE_S)
    assert status.is_stale(10.1 + STALE_S)
    assert status.age_s(9.0) == 0.0


def chunk(board, splice, window=30, inference=40, transport=1):
    both = {'window_ms': str(window), 'inference_ms': str(inference), 'splice_ns': str(splice)}
    board.hear('inference/chunk', Level.OK, 'planned', both, 0)
    late = {'transport_ms': str(transport), 'verdict': 'accepted', 'splice_ns': str(splice)}
    board.hear('executor/chunk', Level.OK, 'accepted', late, 0)


def test_a_chunk_is_as_late_as_its_stages_together():
    board = StatusBoard()
    assert board.latency('window', 'inference', 'transport') is None
    for splice in range(1, 101):
        chunk(board, splice, window=splice)
    spread = board.latency('window', 'inference', 'transport')
    assert spread.p50_ms == pytest.approx(50.5 + 41)
    assert spread.p99_ms == pytest.approx(99.01 + 41)
    assert spread.count == 100
    assert board.statuses == {}


def test_a_chunk_of_which_one_end_is_silent_does_not_count():
    board = StatusBoard()
    board.hear('executor/chunk', Level.OK, 'late', {'transport_ms': '1', 'splice_ns': '7'}, 0)
    board.hear('inference/chunk', Level.WARN, 'late', {'window_ms': '1', 'splice_ns': '0'}, 0)
    assert board.latency('window', 'inference', 'transport') is None
    assert board.latency('transport').count == 1


def test_only_the_newest_chunks_count():
    board = StatusBoard()
    for splice in range(1, CHUNKS + 51):
        chunk(board, splice, window=0 if splice <= 50 else 100)
    assert board.latency('window').p50_ms == 100
    assert board.latency('window').count == CHUNKS


def test_a_mode_is_known_to_have_begun_when_it_changed():
    board = StatusBoard()
    board.hear('executor', Level.OK, 'armed', {'mode': 'policy'}, 1)
    assert board.mode_since_s is None
    board.hear('executor', Level.WARN, 'held', {'mode': 'holding'}, 2)
    board.hear('executor', Level.WARN, 'held', {'mode': 'holding'}, 3)
    assert board.mode_since_s == 2
