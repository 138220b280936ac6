"""How the delay of the next chunk is foreseen, and what the executor has committed itself to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.core.commitment import Commitment
from dp_ros.core.delay import KEPT, DelayHistory
from dp_ros.core.stamped import ActionChunk

few = settings(max_examples=60, deadline=None)


def history(delays, confidence=0.9):
    found = DelayHistory(confidence)
    for delay in delays:
        found = found.added(delay)
    return found


def test_without_delays_none_is_expected_and_few_give_the_longest():
    assert history([]).expected_ns == 0
    assert history([5, 9, 7]).expected_ns == 9
    with pytest.raises(ValueError, match='between 0 and 1'):
        DelayHistory(1.0)


@pytest.mark.parametrize('confidence', [0.5, 0.9, 0.95])
def test_the_next_delay_is_exceeded_no_more_often_than_stated(confidence):
    rng = np.random.default_rng(0)
    late = total = 0
    for _ in range(300):
        delays = rng.lognormal(3, 0.5, 61) * 1e6
        late += delays[-1] > history(delays[:-1].astype(int).tolist(), confidence).expected_ns
        total += 1
    # Three standard errors.
    most = 1 - confidence
    assert late / total <= most + 3 * (most * confidence / total) ** 0.5


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=2 * KEPT))
@few
def test_old_delays_are_forgotten(delays):
    found = history(delays)
    assert found.delays_ns == tuple(delays[-KEPT:])
    assert found.expected_ns in found.delays_ns


def chunk(first, count, value):
    stamps = tuple(range(first, first + 100 * count, 100))
    return ActionChunk(stamps, np.full((count, 2), value))


def test_what_was_accepted_is_known_by_its_time():
    assert Commitment().at((0, 100)) is None
    known = Commitment().updated(chunk(1000, 5, 1.0)).updated(chunk(1200, 5, 2.0))
    found = known.at((900, 1000, 1100, 1200, 1600, 1700))
    assert np.isnan(found[[0, 5]]).all()
    assert found[1:5, 0].tolist() == [1.0, 1.0, 2.0, 2.0]
    assert known.at((1150,)) is None  # never interpolated


def test_the_past_is_forgotten_after_a_while():
    known = Commitment()
    for i in range(100):
        known = known.updated(chunk(i * 100_000_000, 3, float(i)))
    assert len(known.stamps_ns) < 70
