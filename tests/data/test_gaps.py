import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.data.gaps import find_gaps


@pytest.mark.parametrize('stamps', [[], [5]])
def test_fewer_than_two_messages_have_no_gaps(stamps):
    found = find_gaps(stamps)
    assert (found.largest_s, found.count) == (0.0, 0)


@given(
    st.integers(1_000_000, 100_000_000),
    st.sets(st.integers(10, 90), max_size=20),
    st.integers(4, 50),
)
def test_each_silence_of_more_than_three_periods_is_counted(period_ns, after, periods):
    steps = np.full(100, period_ns)
    steps[list(after)] = periods * period_ns
    found = find_gaps(np.cumsum(steps).tolist())
    assert found.count == len(after)
    longest = periods if after else 1
    assert found.largest_s == pytest.approx(longest * period_ns / 1e9, abs=1e-4)
