"""The executor beside processes that take every core."""

import os

import pytest

from benchmarks.executor import REAL_TIME, Load, measure

pytestmark = pytest.mark.timeout(180)


def test_the_rate_is_kept_with_a_busy_process_on_every_core(domain, tmp_path):
    cores = len(os.sched_getaffinity(0))
    found = measure(tmp_path, domain, 6.0, Load(policy=False, burners=cores), REAL_TIME)
    assert float(found.values['rate_hz']) > 110
    assert float(found.values['garbage_ms_max']) < 100
    assert found.cpu < 1.0
