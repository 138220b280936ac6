"""Episodes go on after a part of the graph was lost and has come back."""

import json
import os
import signal

import pytest

from dp_ros import bringup
from dp_ros.core.backoff import Backoff
from dp_ros.running import running
from tests.loopback import free_address
from tests.system.observer import observing

pytestmark = pytest.mark.timeout(240)


@pytest.mark.slow
def test_the_rollout_waits_for_a_lost_executor_and_runs_the_next_episode(domain, tmp_path):
    """Of all parts: it answers the rollout's own calls."""
    out = tmp_path / 'out'
    graph = bringup.demo(
        out, 2, 1002, False, policy=bringup.shipped('state'), address=free_address()
    )
    with (
        running(graph, tmp_path / 'logs', domain, backoff=Backoff()) as cell,
        observing(domain) as observer,
    ):
        observer.wait_for(lambda: observer.mode == 'policy', 90, 'the first episode has begun')
        os.kill(cell.processes['executor'].pid, signal.SIGKILL)
        cell.wait(180)
    first, second = json.loads((out / 'report.json').read_text())['episodes']
    assert first['ending'] != 'placed'
    assert first['duration_s'] < 59  # it did not wait for its end
    assert (first['seed'], second['seed']) == (1002, 1003)
    # The T really is pushed, as far as a busy machine lets it.
    assert second['coverage_max'] > 0.3
