"""Clocks that jump, and samples that are not sound: windows are refused and come back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.core.refusal import Refusal, Refused
from dp_ros.core.stamped import ObservationWindow, Sample
from dp_ros.core.stream_buffer import Kind, StreamSpec
from dp_ros.core.window import WindowBuilder

MS = 1_000_000
SECOND = 1000 * MS
PERIOD, STEPS = 100 * MS, 2
T0 = 17_000_000_000 * PERIOD
SPECS = {
    'joints': StreamSpec(Kind.LINEAR, tolerance_ns=80 * MS),
    'camera': StreamSpec(Kind.FRAME, tolerance_ns=100 * MS, period_ns=33 * MS),
}
STEP = {'joints': 10 * MS, 'camera': 33 * MS}


def play(made, first_ns, last_ns, ahead_ns=0, only=None):
    """Both streams at their rates, each sample arriving at once, its stamp off by `ahead_ns`."""
    stamps = [(t, n) for n in SPECS for t in range(first_ns, last_ns + 1, STEP[n])]
    for now_ns, name in sorted(stamps):
        if only in (None, name):
            made.add(name, Sample(now_ns + ahead_ns, np.full(2, now_ns % 97)), now_ns)
    return made


def running():
    made = WindowBuilder(SPECS, PERIOD, STEPS)
    play(made, T0 - 500 * MS, T0 + 5 * MS)
    assert isinstance(made.window(T0, T0 + 5 * MS), ObservationWindow)
    return made


def why(made, anchor_ns, now_ns):
    result = made.window(anchor_ns, now_ns)
    return (result.reason, result.stream) if isinstance(result, Refused) else None


@pytest.mark.parametrize('name', list(SPECS))
def test_a_stamp_far_ahead_is_dropped_and_refuses_windows_until_a_good_one_comes(name):
    made = running()
    now = T0 + 6 * MS
    made.add(name, Sample(now + SECOND + 1, np.zeros(2)), now)
    assert why(made, T0, now) == (Refusal.JUMP, name)
    assert 's ahead of now' in str(made.window(T0, now))
    assert made.newest_anchor_ns() == T0
    made.add(name, Sample(now, np.zeros(2)), now)
    assert why(made, T0, now) is None
    assert made.counts()[name]['jumps'] == 1


def test_a_second_ahead_is_not_yet_a_jump():
    made = running()
    made.add('joints', Sample(T0 + 6 * MS + SECOND, np.zeros(2)), T0 + 6 * MS)
    assert made.counts()['joints']['jumps'] == 0


@pytest.mark.parametrize('name', list(SPECS))
def test_stamps_that_jump_back_begin_the_stream_anew(name):
    made = running()
    other = next(n for n in SPECS if n != name)
    back = 5 * SECOND
    # One stream's clock is set back: its samples come with old stamps, the other's go on.
    play(made, T0 + 6 * MS, T0 + 50 * MS, ahead_ns=-back, only=name)
    assert made.counts()[name]['jumps'] == 1
    assert made.newest_anchor_ns() <= T0 - back + 100 * MS
    assert made.counts()[other] == {'duplicates': 0, 'late': 0, 'jumps': 0}
    assert why(made, T0, T0 + 50 * MS) == (Refusal.JUMP, name)
    play(made, T0 + 60 * MS, T0 + 1500 * MS, ahead_ns=-back, only=name)
    # Long after, its samples are simply old.
    assert [t.reason for t in made.troubles(T0 + 1500 * MS) if t.stream == name] == [Refusal.STALE]
    # Set right again, it is merely new.
    play(made, T0 + 1600 * MS, T0 + 1905 * MS)
    assert why(made, T0 + 1900 * MS, T0 + 1905 * MS) is None


def test_time_itself_may_be_set_back_and_the_windows_return():
    """A bag that is played in a loop: now and every stamp go back together."""
    made = running()
    again = T0 - 60 * SECOND
    assert why(made, T0, again) == (Refusal.JUMP, 'joints')
    play(made, again, again + 30 * MS)
    assert made.newest_anchor_ns() == again
    # Not covered yet, and for a reason.
    assert why(made, again, again + 30 * MS) == (Refusal.JUMP, 'joints')
    play(made, again + 31 * MS, again + 305 * MS)
    assert made.newest_anchor_ns() == again + 300 * MS
    window = made.window(again + 300 * MS, again + 305 * MS)
    assert isinstance(window, ObservationWindow)
    assert {name: count['jumps'] for name, count in made.counts().items()} == {
        'joints': 1,
        'camera': 1,
    }
    fresh = play(WindowBuilder(SPECS, PERIOD, STEPS), again, again + 30 * MS)
    play(fresh, again + 31 * MS, again + 305 * MS)
    expected = fresh.window(again + 300 * MS, again + 305 * MS)
    assert window.streams['joints'].tobytes() == expected.streams['joints'].tobytes()


def test_after_a_window_the_jump_is_no_longer_the_reason():
    made = running()
    again = T0 - 60 * SECOND
    play(made, again, again + 205 * MS)
    assert why(made, again + 200 * MS, again + 205 * MS) is None
    assert why(made, again + 300 * MS, again + 210 * MS) == (Refusal.NOT_COVERED, 'joints')


def test_time_may_leap_forward_and_the_windows_return():
    made = running()
    later = T0 + 3600 * SECOND
    assert why(made, T0, later) == (Refusal.STALE, 'joints')
    play(made, later, later + 305 * MS)
    assert why(made, later + 300 * MS, later + 305 * MS) is None


def test_clearing_because_of_a_jump_says_so_until_windows_return():
    made = running()
    made.clear('ROS time was set back')
    refused = made.window(T0, T0 + 5 * MS)
    assert (refused.reason, refused.detail) == (Refusal.JUMP, 'ROS time was set back')
    made.clear()
    assert why(made, T0, T0 + 5 * MS) == (Refusal.MISSING, 'joints')
    assert [trouble.reason for trouble in made.troubles(T0)] == [Refusal.MISSING] * 2


@pytest.mark.parametrize('reason', [Refusal.BLACK, Refusal.FROZEN, Refusal.MALFORMED])
def test_a_fault_of_the_samples_refuses_windows_until_it_is_gone(reason):
    made = running()
    made.set_fault('camera', reason, 'expected this, found that')
    assert (
        str(made.window(T0, T0 + 5 * MS)) == f'camera: {reason.value} (expected this, found that)'
    )
    assert [trouble.reason for trouble in made.troubles(T0 + 5 * MS)] == [reason]
    made.set_fault('camera', None)
    assert why(made, T0, T0 + 5 * MS) is None
    assert made.troubles(T0 + 5 * MS) == []


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(list(SPECS)), st.integers(-(10**10), 10**10)), max_size=30)
)
def test_whatever_stamps_came_sound_ones_bring_the_windows_back(wild):
    made = running()
    for name, offset in wild:
        made.add(name, Sample(T0 + offset, np.zeros(2)), T0)
    # The worst stamps that are let in lie a second ahead.
    later = T0 + 2 * SECOND
    play(made, later, later + 305 * MS)
    assert why(made, later + 300 * MS, later + 305 * MS) is None
