"""Observation windows: the same to the bit in any order of arrival, never extrapolated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from dp_ros.core.refusal import Refusal, Refused
from dp_ros.core.stamped import ObservationWindow, Sample
from dp_ros.core.stream_buffer import Kind, StreamSpec
from dp_ros.core.window import WindowBuilder

few = settings(max_examples=50, deadline=None)
MS = 1_000_000
PERIOD, STEPS = 100 * MS, 3
T0 = 17_000_000_000 * PERIOD  # a grid time
NOW = T0 + 60 * MS
CAMERA_PERIOD = 33 * MS
SPECS = {
    'tcp': StreamSpec(Kind.POSE, tolerance_ns=120 * MS),
    'joints': StreamSpec(Kind.LINEAR, tolerance_ns=80 * MS),
}
SEEING = SPECS | {'camera': StreamSpec(Kind.FRAME, 70 * MS, CAMERA_PERIOD)}


def builder(specs=SPECS):
    return WindowBuilder(specs, PERIOD, STEPS)


def feed(made, messages, now_ns=NOW):
    for name, sample in messages:
        made.add(name, sample, now_ns)
    return made


def steady(name, first_ns, last_ns, step_ns, width=6, seed=0):
    """Messages of one stream of numbers at an even rate."""
    rng = np.random.default_rng(seed)
    stamps = range(first_ns, last_ns + 1, step_ns)
    values = rng.uniform(-1, 1, (len(stamps), width))
    if SPECS[name].kind is Kind.POSE:
        values = np.concatenate(
            [values[:, :3], Rotation.random(len(stamps), random_state=rng).as_quat()], axis=1
        )
    return [(name, Sample(t, v)) for t, v in zip(stamps, values, strict=True)]


class Picture:
    """What a node may put into a sample: nothing that the core can look into."""


def frames(*stamps_ns):
    return [('camera', Sample(stamp, Picture())) for stamp in stamps_ns]


def filmed(first_ns, last_ns, step_ns=CAMERA_PERIOD):
    return frames(*range(first_ns, last_ns + 1, step_ns))


def both(first_ns=T0 - 1000 * MS, last_ns=T0 + 50 * MS):
    return [
        *steady('tcp', first_ns, last_ns, 35 * MS),
        *steady('joints', first_ns, last_ns, 23 * MS),
    ]


@st.composite
def arrivals(draw):
    """Messages with jittered stamps, and the same with delays, reordering and duplicates."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    loss = draw(st.sampled_from([0, 0, 0.1]))
    messages = []
    for name, step in (('tcp', 40), ('joints', 25)):
        start = T0 - draw(st.integers(220, 900)) * MS
        stop = T0 + draw(st.integers(-30, 60)) * MS
        for _, sample in steady(name, start, stop, step * MS, seed=int(rng.integers(2**32))):
            jitter = int(rng.integers(-9_000_000, 9_000_000))
            if rng.random() >= loss:
                messages.append((name, Sample(sample.stamp_ns + jitter, sample.value)))
    again = [messages[i] for i in rng.integers(0, len(messages), draw(st.integers(0, 10)))]
    arrived = [*messages, *again]
    return messages, [arrived[i] for i in rng.permutation(len(arrived))]


def outcome(made, anchor_ns=T0, now_ns=NOW):
    """Everything that a window holds, or its refusal, in a form that can be compared."""
    result = made.window(anchor_ns, now_ns)
    if isinstance(result, Refused):
        return str(result)
    rows = {name: values.tobytes() for name, values in result.streams.items()}
    return result.stamps_ns, rows, dict(result.frames)


@given(arrivals())
@few
def test_the_order_of_arrival_does_not_show_in_the_window(data):
    messages, arrived = data
    by_stamp = sorted(messages, key=lambda m: m[1].stamp_ns)
    expected = outcome(feed(builder(), by_stamp))
    assert outcome(feed(builder(), arrived)) == expected
    assert outcome(feed(builder(), arrived[::-1])) == expected
    assert feed(builder(), arrived).newest_anchor_ns() == (
        feed(builder(), by_stamp).newest_anchor_ns()
    )


@given(arrivals())
@few
def test_a_window_is_interpolated_and_never_extrapolated(data):
    messages, arrived = data
    made = feed(builder(), arrived)
    window = made.window(T0, T0 + 60 * MS)
    if isinstance(window, Refused):
        return
    grid = np.array(window.stamps_ns)
    assert window.anchor_ns == T0
    assert (grid % PERIOD == 0).all()
    assert (np.diff(grid) == PERIOD).all()
    for name, rows in window.streams.items():
        samples = sorted((s for n, s in messages if n == name), key=lambda s: s.stamp_ns)
        stamps = np.array([s.stamp_ns for s in samples])
        values = np.stack([s.value for s in samples])
        assert stamps[0] <= grid[0]
        assert grid[-1] <= stamps[-1]
        after = np.searchsorted(stamps, grid)
        spans = np.where(
            stamps[after] == grid, 0, stamps[after] - stamps[np.maximum(after - 1, 0)]
        )
        assert (spans <= SPECS[name].tolerance_ns).all()
        for axis in range(3 if SPECS[name].kind is Kind.POSE else rows.shape[1]):
            expected = np.interp(grid - stamps[0], stamps - stamps[0], values[:, axis])
            np.testing.assert_allclose(rows[:, axis], expected, atol=1e-9)
        if SPECS[name].kind is Kind.POSE:
            expected = Slerp(stamps - stamps[0], Rotation.from_quat(values[:, 3:]))(
                grid - stamps[0]
            )
            turned = Rotation.from_quat(rows[:, 3:]).inv() * expected
            assert turned.magnitude().max() < 1e-6
        assert not rows.flags.writeable


def test_a_sample_on_the_grid_is_taken_to_the_bit_whether_or_not_an_older_one_is_held():
    value = np.array([0.1, 0.2, 0.3])
    specs = {'joints': StreamSpec(Kind.LINEAR, tolerance_ns=150 * MS)}
    on_grid = [('joints', Sample(T0 + i * PERIOD, value + i / 7)) for i in (-2, -1, 0)]
    older = ('joints', Sample(T0 - 3 * PERIOD, value * 1e3))
    bare = feed(builder(specs), on_grid).window(T0, T0)
    full = feed(builder(specs), [*on_grid, older]).window(T0, T0)
    assert bare.streams['joints'].tobytes() == full.streams['joints'].tobytes()
    assert bare.streams['joints'][-1].tobytes() == value.tobytes()


def test_a_duplicate_is_dropped_and_counted():
    made = builder()
    messages = both()
    feed(made, messages)
    expected = outcome(made)
    name, sample = messages[-1]
    made.add(name, Sample(sample.stamp_ns, sample.value + 1), NOW)
    assert outcome(made) == expected
    assert made.counts()[name] == {'duplicates': 1, 'late': 0, 'jumps': 0}


STEADY = [m for n in SPECS for m in steady(n, T0 - 500 * MS, T0 + 20 * MS, 20 * MS)]
REFUSALS = [
    (
        Refusal.MISSING,
        'joints',
        steady('tcp', T0 - 500 * MS, T0 + 20 * MS, 20 * MS),
    ),
    (
        Refusal.NOT_COVERED,
        'joints',
        [
            *steady('tcp', T0 - 500 * MS, T0 + 20 * MS, 20 * MS),
            *steady('joints', T0 - 500 * MS, T0 - 1, 20 * MS),
        ],
    ),
    (
        Refusal.BEFORE_FIRST,
        'tcp',
        [
            *steady('tcp', T0 - 199 * MS, T0 + 20 * MS, 20 * MS),
            *steady('joints', T0 - 500 * MS, T0 + 20 * MS, 20 * MS),
        ],
    ),
    (
        Refusal.GAP,
        'joints',
        [
            *steady('tcp', T0 - 500 * MS, T0 + 20 * MS, 20 * MS),
            *steady('joints', T0 - 500 * MS, T0 - 150 * MS, 20 * MS),
            *steady('joints', T0 - 60 * MS, T0 + 20 * MS, 20 * MS),
        ],
    ),
    (
        Refusal.STALE,
        'joints',
        [
            *steady('tcp', T0 - 500 * MS, T0 + 20 * MS, 20 * MS),
            *steady('joints', T0 - 500 * MS, T0 - 60 * MS, 20 * MS),
        ],
    ),
    # A camera a tolerance of 70 ms, and at most 90 ms without a frame between two grid times.
    (Refusal.MISSING, 'camera', STEADY),
    (
        Refusal.NOT_COVERED,
        'camera',
        [*STEADY, *filmed(T0 - 30 * MS - 12 * CAMERA_PERIOD, T0 - 30 * MS)],
    ),
    (
        Refusal.BEFORE_FIRST,
        'camera',
        [*STEADY, *filmed(T0 - 199 * MS, T0 + 20 * MS)],
    ),
    (
        Refusal.SKEW,
        'camera',
        [*STEADY, *filmed(T0 - 400 * MS, T0 - 180 * MS), *filmed(T0 - 99 * MS, T0 + 20 * MS)],
    ),
    (
        Refusal.STALE,
        'camera',
        [*STEADY, *filmed(T0 - 400 * MS, T0 - 74 * MS)],
    ),
]


@pytest.mark.parametrize(('reason', 'stream', 'messages'), REFUSALS)
def test_every_refusal_names_its_stream(reason, stream, messages):
    specs = SEEING if stream == 'camera' else SPECS
    refused = feed(builder(specs), messages).window(T0, T0 + 30 * MS)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.stream) == (reason, stream)
    assert str(refused).startswith(f'{stream}: {reason.value} (')


@pytest.mark.parametrize(('age_ms', 'given_window'), [(80, True), (81, False)])
def test_the_newest_sample_may_be_as_old_as_the_tolerance(age_ms, given_window):
    made = feed(builder(), both(last_ns=T0 + 100 * MS))
    newest = NOW - made.ages_ns(NOW)['joints']
    result = made.window(T0, newest + age_ms * MS)
    assert isinstance(result, ObservationWindow) is given_window


def test_the_anchor_is_the_newest_grid_time_that_every_stream_covers():
    made = builder()
    assert made.newest_anchor_ns() is None
    made.add('tcp', Sample(T0 + 190 * MS, np.zeros(7)), NOW)
    assert made.newest_anchor_ns() is None
    assert made.ages_ns(T0 + 200 * MS) == {'tcp': 10 * MS, 'joints': None}
    made.add('joints', Sample(T0 + 100 * MS - 1, np.zeros(6)), NOW)
    assert made.newest_anchor_ns() == T0
    made.add('joints', Sample(T0 + 100 * MS, np.zeros(6)), NOW)
    assert made.newest_anchor_ns() == T0 + 100 * MS
    made.clear()
    assert made.newest_anchor_ns() is None


def test_old_samples_are_forgotten_but_never_those_of_the_window():
    made = builder()
    for message in steady('joints', T0 - 60_000 * MS, T0, 10 * MS):
        made.add(*message, NOW)
    held = made._buffers['joints']._samples
    assert 130 <= len(held) <= 132
    assert held[0].stamp_ns <= T0 - (STEPS - 1) * PERIOD - 900 * MS


def test_every_refusal_is_tested():
    elsewhere = {Refusal.JUMP, Refusal.MALFORMED, Refusal.BLACK, Refusal.FROZEN}  # test_jumps.py
    assert {reason for reason, _, _ in REFUSALS} == set(Refusal) - elsewhere


def test_the_newest_frame_not_after_each_grid_time_is_taken_by_reference():
    shot = frames(T0 - 230 * MS, T0 - 200 * MS, T0 - 101 * MS, T0 - 99 * MS, T0 - 1, T0 + 1)
    made = feed(builder(SEEING), [*STEADY, *shot])
    window = made.window(T0, NOW)
    assert isinstance(window, ObservationWindow)
    assert [s.stamp_ns for s in window.frames['camera']] == [T0 - 200 * MS, T0 - 101 * MS, T0 - 1]
    sent = {sample.stamp_ns: sample for _, sample in shot}
    assert all(sample is sent[sample.stamp_ns] for sample in window.frames['camera'])
    assert set(window.streams) == {'tcp', 'joints'}


def test_a_camera_covers_an_anchor_once_no_further_frame_can_lie_before_it():
    late_by = CAMERA_PERIOD * 9 // 10
    steps = filmed(T0 - 10 * CAMERA_PERIOD - late_by, T0 - CAMERA_PERIOD - late_by)
    for newest, covered in ((T0 - late_by, False), (T0 - late_by + 1, True), (T0 + 1, True)):
        made = feed(builder(SEEING), [*STEADY, *steps, *frames(newest)])
        assert made.newest_anchor_ns() == (T0 if covered else T0 - PERIOD)
        assert isinstance(made.window(T0, T0 + 20 * MS), ObservationWindow) is covered
        known = [sample.stamp_ns for _, sample in made.settled(T0)]
        assert len(known) == (STEPS if covered else STEPS - 1)
        assert (newest in known) is (covered and newest <= T0)


def test_what_is_settled_is_what_the_window_then_holds():
    made = feed(builder(SEEING), [*STEADY, *filmed(T0 - 400 * MS, T0 + 20 * MS)])
    known = made.settled(T0)
    window = made.window(T0, NOW)
    assert known == [('camera', sample) for sample in window.frames['camera']]


def test_a_frame_that_comes_after_its_window_is_counted_as_late():
    made = feed(builder(SEEING), [*STEADY, *filmed(T0 - 400 * MS, T0 - 4 * MS)])
    assert made.counts()['camera']['late'] == 0
    assert isinstance(made.window(T0, NOW), ObservationWindow)
    feed(made, frames(T0 - 1, T0, T0 + 1))
    assert made.counts()['camera']['late'] == 2
    assert made.counts()['tcp']['late'] == 0


@st.composite
def deliveries(draw):
    """(arrival time, message) in order of arrival, jittered, delayed, reordered, lost, doubled.

    With it, whether it is so mild that there must be windows.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    loss = draw(st.sampled_from([0, 0.02, 0.2]))
    longest = draw(st.integers(1, 200)) * MS
    start, stop = T0 - 600 * MS, T0 + 600 * MS
    came = []
    for name, sample in [*both(start, stop), *filmed(start, stop)]:
        stamp = sample.stamp_ns + int(rng.integers(-3 * MS, 3 * MS))
        if rng.random() >= loss:
            for _ in range(1 + (rng.random() < 0.05)):
                arrival = stamp + int(rng.integers(0, longest))
                came.append((arrival, (name, Sample(stamp, sample.value))))
    return sorted(came, key=lambda c: c[0]), loss == 0 and longest < 20 * MS


@given(deliveries())
@few
def test_windows_of_a_running_graph_hold_nothing_from_the_future_and_nothing_too_old(data):
    came, mild = data
    live, arrived, windows = builder(SEEING), [], set()
    for now_ns, message in came:
        live.add(*message, now_ns)
        arrived.append(message)
        anchor = live.newest_anchor_ns()
        if anchor is None or anchor in windows:
            continue
        window = live.window(anchor, now_ns)
        if isinstance(window, Refused):
            assert window.reason in set(Refusal) - {Refusal.JUMP, Refusal.MALFORMED}
            continue
        windows.add(anchor)
        _check(window, arrived)
        # The same messages in other orders, none of them more than a second late.
        old, late = [], []
        for name, sample in sorted(arrived, key=lambda m: m[1].stamp_ns):
            (old if sample.stamp_ns < now_ns - 900 * MS else late).append((name, sample))
        for order in ([*old, *late], [*old, *late[::-1]], [*old, *late[::2], *late[1::2]]):
            other = feed(builder(SEEING), order, now_ns)
            assert other.newest_anchor_ns() == anchor
            assert outcome(other, anchor, now_ns) == outcome(live, anchor, now_ns)
    assert len(windows) >= 6 or not mild


def _check(window, arrived):
    for grid, frame in zip(window.stamps_ns, window.frames['camera'], strict=True):
        stamps = [sample.stamp_ns for name, sample in arrived if name == 'camera']
        assert frame.stamp_ns == max(stamp for stamp in stamps if stamp <= grid)
        assert grid - frame.stamp_ns <= SEEING['camera'].tolerance_ns
    for name in SPECS:
        stamps = np.unique([sample.stamp_ns for n, sample in arrived if n == name])
        for grid in window.stamps_ns:
            before, after = stamps[stamps <= grid].max(), stamps[stamps >= grid].min()
            assert after - before <= SPECS[name].tolerance_ns
