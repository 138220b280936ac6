"""Pauses between tries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.core.backoff import Backoff

failures = st.lists(st.floats(0, 1000), max_size=20).map(sorted)


def test_pauses_double_and_end():
    backoff = Backoff(first_s=1, longest_s=6, most=4, within_s=100)
    pauses = [backoff.pause_s(range(count), 10) for count in range(6)]
    assert pauses == [0, 1, 2, 4, 6, None]


def test_old_failures_are_forgotten():
    backoff = Backoff(most=1, within_s=10)
    assert backoff.pause_s([1, 2], 3) is None
    assert backoff.pause_s([1, 2], 11.5) == backoff.first_s
    assert backoff.pause_s([1, 2], 13) == 0


@given(failures, st.floats(0, 1000), st.integers(1, 10))
def test_a_pause_is_bounded_and_never_shorter_after_one_more_failure(failed, later, most):
    backoff = Backoff(most=most, within_s=100)
    now = max(failed, default=0) + later
    before, after = backoff.pause_s(failed, now), backoff.pause_s([*failed, now], now)
    assert before is None or 0 <= before <= backoff.longest_s
    assert (before is None) <= (after is None)
    assert before is None or after is None or after >= before


def test_so_many_failures_in_a_row_overflow_nothing():
    assert Backoff().pause_after_s(100_000) == Backoff().longest_s


@pytest.mark.parametrize(
    'wrong', [{'first_s': 0}, {'longest_s': 0.5}, {'most': 0}, {'within_s': 0}]
)
def test_a_back_off_that_is_none_is_a_sentence(wrong):
    with pytest.raises(ValueError, match='first_s'):
        Backoff(**wrong)
