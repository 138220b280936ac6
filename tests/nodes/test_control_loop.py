"""The control loop's deadlines, and what it does with an error."""

import itertools
import threading
import time

from dp_ros.nodes.control_loop import ControlLoop


def test_the_mean_rate_is_kept_although_ticks_take_time():
    ticks = []

    def tick():
        ticks.append(time.monotonic())
        time.sleep(0.004)

    loop = ControlLoop(0.02, tick, print)
    loop.start()
    time.sleep(1.0)
    assert loop.stop(1.0)
    # Sleeping 20 ms after a 4 ms tick would give 42 ticks.
    assert 44 <= len(ticks) <= 52
    statistics = loop.statistics()
    assert 44 <= statistics['rate_hz'] <= 52
    assert (
        statistics['period_ms_max'] >= statistics['period_ms_p99'] >= statistics['period_ms_p50']
    )


def test_missed_ticks_are_not_made_up_for():
    ticks = []

    def tick():
        ticks.append(time.monotonic())
        if len(ticks) == 3:
            time.sleep(0.3)

    loop = ControlLoop(0.02, tick, print)
    loop.start()
    time.sleep(0.8)
    loop.stop(1.0)
    after = [b - a for a, b in itertools.pairwise(ticks[3:])]
    assert min(after) > 0.002
    assert loop.statistics()['overruns'] >= 1


def test_an_error_in_a_tick_is_told_and_ends_the_loop():
    told = threading.Event()
    errors = []

    def tick():
        raise RuntimeError('the arm fell off')

    def on_error(error):
        errors.append(error)
        told.set()

    loop = ControlLoop(0.01, tick, on_error)
    loop.start()
    assert told.wait(2.0)
    assert loop.stop(1.0)
    assert str(errors[0]) == 'the arm fell off'
