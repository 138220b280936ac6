"""The thread that notices a call which does not come back."""

import subprocess
import sys
import threading
import time

import pytest

from dp_ros.nodes.driver_watch import EXIT_BROKEN, DriverWatch


class Heard:
    def __init__(self):
        self.stuck, self.hopeless, self.ended = [], [], threading.Event()
        self.codes = []
        self.watch = DriverWatch(
            lambda text: self.stuck.append((time.monotonic(), text)),
            self.hopeless.append,
            guard_lock=False,
            end=self._end,
            grace_s=0.5,
        )

    def _end(self, code):
        self.codes.append(code)
        self.ended.set()


@pytest.fixture
def heard():
    heard = Heard()
    yield heard
    heard.watch.stop()


def test_calls_that_come_back_are_no_news(heard):
    for value in range(60):
        assert heard.watch.call('read', lambda v=value: (time.sleep(0.01), v)[1]) == value
    assert heard.watch.stuck == ''
    assert heard.stuck == heard.hopeless == []


def test_a_late_call_is_told_while_it_hangs_and_remembered_until_the_next(heard):
    begun = time.monotonic()
    heard.watch.call('send', lambda: time.sleep(0.7))
    ((told, text),) = heard.stuck
    assert told - begun < 0.7
    assert text == heard.watch.stuck == 'send hangs in the driver for more than 0.3 s'
    heard.watch.call('read', lambda: None)
    assert heard.watch.stuck == ''
    assert not heard.codes


def test_patience_is_a_matter_of_the_call(heard):
    heard.watch.call('connect', lambda: time.sleep(0.6), patience_s=5.0)
    assert heard.stuck == []


def test_what_the_call_raises_comes_through(heard):
    def fail():
        raise ValueError('no')

    with pytest.raises(ValueError, match='no'):
        heard.watch.call('send', fail)


def test_a_call_that_stays_ends_the_process(heard):
    heard.watch.call('send', lambda: heard.ended.wait(10))
    assert heard.codes == [EXIT_BROKEN]
    assert 'send hangs in the driver for 0.9 s' in heard.hopeless[0]


STUCK = """
import sys, time
from dp_ros.nodes import driver_watch
driver_watch.LOCKED_S = 1.0
watch = driver_watch.DriverWatch(print, print, grace_s=0.5)
hang = {'lock': lambda: sum(range(10**12)), 'sleep': lambda: time.sleep(60)}[sys.argv[1]]
watch.call('send', hang)
"""


@pytest.mark.parametrize(('how', 'code'), [('sleep', EXIT_BROKEN), ('lock', 1)])
def test_the_process_ends_with_a_trace_even_if_nothing_of_python_runs(how, code):
    """sum() of a range keeps the interpreter's lock, as a constructor of ur_rtde does."""
    done = subprocess.run(
        [sys.executable, '-c', STUCK, how], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code
    assert 'most recent call first' in done.stderr
    if how == 'sleep':
        assert 'the process ends' in done.stdout
