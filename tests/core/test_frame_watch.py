"""Black and frozen frames are noticed after a second, and forgiven at once."""

from hypothesis import given
from hypothesis import strategies as st

from dp_ros.core.frame_watch import FrameWatch
from dp_ros.core.refusal import Refusal

MS = 1_000_000
T0 = 1_700_000_000_000 * MS
BRIGHT, DARK = 90.0, 1.0


def show(watch, begin_ms, end_ms, digests, brightness=BRIGHT):
    """A frame every 33 ms; returns the verdicts by time [ms]."""
    times = range(begin_ms, end_ms, 33)
    return {t: watch.look(T0 + t * MS, digests(t), brightness) for t in times}


def new_pixels(t):
    return t + 1


def always(digest):
    return lambda _: digest


def test_the_same_pixels_for_a_second_are_frozen_until_new_ones_come():
    watch = FrameWatch()
    said = show(watch, 0, 1500, always(7))
    assert all((verdict is Refusal.FROZEN) == (t >= 1000) for t, verdict in said.items())
    assert watch.look(T0 + 1600 * MS, 8, BRIGHT) is None
    assert set(show(watch, 1633, 2500, always(8)).values()) == {None}


def test_darkness_for_a_second_is_black_even_if_its_noise_changes():
    watch = FrameWatch()
    said = show(watch, 0, 1500, new_pixels, DARK)
    assert all((verdict is Refusal.BLACK) == (t >= 1000) for t, verdict in said.items())
    assert watch.look(T0 + 1600 * MS, 9999, BRIGHT) is None


def test_frames_that_are_black_and_frozen_are_called_black():
    assert show(FrameWatch(), 0, 1100, always(7), DARK)[1089] is Refusal.BLACK


def test_a_dark_moment_is_no_fault():
    watch = FrameWatch()
    for begin in range(0, 4000, 1000):
        dark = show(watch, begin, begin + 900, new_pixels, DARK)
        assert {*dark.values(), watch.look(T0 + (begin + 950) * MS, begin, BRIGHT)} == {None}


def test_one_frame_again_and_again_under_one_stamp_is_a_duplicate_and_not_a_new_frame():
    watch = FrameWatch()
    assert {watch.look(T0, 7, BRIGHT) for _ in range(100)} == {None}


def test_stamps_that_jump_back_begin_a_new_series():
    watch = FrameWatch()
    show(watch, 0, 1500, always(7))
    again = show(watch, -60_000, -58_500, always(7))
    assert all((verdict is Refusal.FROZEN) == (t >= -59_000) for t, verdict in again.items())


@given(st.lists(st.integers(1, 900), max_size=30))
def test_pixels_that_change_within_a_second_are_never_frozen(gaps_ms):
    watch, at = FrameWatch(), 0
    for digest, gap in enumerate(gaps_ms):
        assert watch.look(T0 + at * MS, digest, BRIGHT) is None
        # Its pixels once more, before others come.
        assert watch.look(T0 + (at + gap // 2) * MS, digest, BRIGHT) is None
        at += gap
