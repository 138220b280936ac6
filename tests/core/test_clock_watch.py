"""A clock beside a steady one: what is told, when, and what is borne."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.core.clock_watch import ClockWatch

TICK_NS = 8_000_000


def faults(readings, speed=1.0):
    """What is said of clock readings [ns] at each of the ticks."""
    watch = ClockWatch(speed)
    said = [watch.fault(reading, 10**12 + i * TICK_NS) for i, reading in enumerate(readings)]
    return [(i, text) for i, text in enumerate(said) if text]


@pytest.mark.parametrize('seconds', [5, -5, 0.6, -0.6])
def test_a_jump_is_told_at_once_and_once(seconds):
    readings = [i * TICK_NS + (i >= 100) * round(seconds * 1e9) for i in range(300)]
    assert faults(readings) == [(100, f'by {seconds:+.1f} s')]


def test_a_clock_that_stands_is_told_again_and_again():
    found = faults([min(i, 100) * TICK_NS for i in range(300)])
    assert [i for i, _ in found] == [151, 202, 253]
    assert {text for _, text in found} == {'it stood still for 0.4 s'}


@given(st.floats(0.5, 2), st.sampled_from([1, 2, 5, 10]), st.integers(0, 10**19))
def test_a_clock_of_any_speed_that_tells_the_time_in_steps_is_well(speed, coarse, begin):
    readings = [begin + round(i // coarse * coarse * TICK_NS * speed) for i in range(400)]
    assert faults(readings, speed) == []


def test_a_simulator_at_a_third_of_its_speed_is_slow_and_not_ill():
    assert faults([round(i * TICK_NS / 3) for i in range(1000)]) == []


def test_who_slept_cannot_tell():
    watch = ClockWatch()
    for i in range(50):
        assert not watch.fault(i * TICK_NS, i * TICK_NS)
    woken = 50 * TICK_NS + 2_000_000_000
    # The message of the clock is still on its way.
    assert not watch.fault(50 * TICK_NS, woken)
    assert not watch.fault(woken, woken + TICK_NS // 2)
