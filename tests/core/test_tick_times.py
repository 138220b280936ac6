import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.core.tick_times import TickTimes

PERIOD_S = 0.008


def test_nothing_is_said_before_the_second_tick():
    assert TickTimes(PERIOD_S).statistics() == {}


@given(st.lists(st.floats(0.001, 0.1), min_size=1, max_size=40), st.integers(1, 50))
def test_the_figures_are_those_of_the_newest_periods(periods, kept):
    times = TickTimes(PERIOD_S, kept)
    for period in periods:
        times.add(period, 0.0)
    newest = np.array(periods[-kept:]) * 1e3
    found = times.statistics()
    assert found['period_ms_max'] == pytest.approx(newest.max())
    assert found['period_ms_p50'] == pytest.approx(np.median(newest))
    assert found['jitter_ms_p99'] == pytest.approx(np.percentile(abs(newest - 8.0), 99))
    assert found['rate_hz'] == pytest.approx(1e3 / newest.mean())


def test_late_ticks_are_counted_and_the_worst_is_never_forgotten():
    times = TickTimes(PERIOD_S, kept=2)
    for late_s in (0.0, 0.003, 0.005, 0.2, 0.0, 0.0, 0.0):
        times.add(PERIOD_S, late_s)
    found = times.statistics()
    assert found['late_ticks'] == 2
    assert found['late_ms_max'] == pytest.approx(200.0)


def test_keeping_account_takes_no_further_memory():
    times = TickTimes(PERIOD_S, kept=1000)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(20_000):
        times.add(PERIOD_S, 0.0)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 2_000
