"""Observation windows: the same to the bit in any order of arrival, never extrapolated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from dp_ros.core.stamped import ObservationWindow, Sample
from dp_ros.core.window import Refusal, Refused, StreamSpec, WindowBuilder

few = settings(max_examples=50, deadline=None)
MS = 1_000_000
PERIOD, STEPS = 100 * MS, 3
T0 = 17_000_000_000 * PERIOD  # a grid time
SPECS = {
    'tcp': StreamSpec(pose=True, tolerance_ns=120 * MS),
    'joints': StreamSpec(pose=False, tolerance_ns=80 * MS),
}


def builder(specs=SPECS):
    return WindowBuilder(specs, PERIOD, STEPS)


def feed(made, messages):
    for name, sample in messages:
        made.add(name, sample)
    return made


def steady(name, first_ns, last_ns, step_ns, width=6, seed=0):
    """Messages of one stream at an even rate."""
    rng = np.random.default_rng(seed)
    stamps = range(first_ns, last_ns + 1, step_ns)
    values = rng.uniform(-1, 1, (len(stamps), width))
    if SPECS[name].pose:
        values = np.concatenate(
            [values[:, :3], Rotation.random(len(stamps), random_state=rng).as_quat()], axis=1
        )
    return [(name, Sample(t, v)) for t, v in zip(stamps, values, strict=True)]


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
        start = T0 - draw(st.integers(220, 1200)) * MS
        stop = T0 + draw(st.integers(-30, 60)) * MS
        for _, sample in steady(name, start, stop, step * MS, seed=int(rng.integers(2**32))):
            jitter = int(rng.integers(-9_000_000, 9_000_000))
            if rng.random() >= loss:
                messages.append((name, Sample(sample.stamp_ns + jitter, sample.value)))
    again = [messages[i] for i in rng.integers(0, len(messages), draw(st.integers(0, 10)))]
    arrived = [*messages, *again]
    return messages, [arrived[i] for i in rng.permutation(len(arrived))]


def outcome(made, now_ns=T0 + 60 * MS):
    result = made.window(T0, now_ns)
    if isinstance(result, Refused):
        return str(result)
    return result.stamps_ns, {name: rows.tobytes() for name, rows in result.streams.items()}


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
        for axis in range(3 if SPECS[name].pose else rows.shape[1]):
            expected = np.interp(grid - stamps[0], stamps - stamps[0], values[:, axis])
            np.testing.assert_allclose(rows[:, axis], expected, atol=1e-9)
        if SPECS[name].pose:
            expected = Slerp(stamps - stamps[0], Rotation.from_quat(values[:, 3:]))(
                grid - stamps[0]
            )
            turned = Rotation.from_quat(rows[:, 3:]).inv() * expected
            assert turned.magnitude().max() < 1e-6
        assert not rows.flags.writeable


def test_a_sample_on_the_grid_is_taken_to_the_bit_whether_or_not_an_older_one_is_held():
    value = np.array([0.1, 0.2, 0.3])
    specs = {'joints': StreamSpec(pose=False, tolerance_ns=150 * MS)}
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
    made.add(name, Sample(sample.stamp_ns, sample.value + 1))
    assert outcome(made) == expected
    assert made._buffers[name].duplicates == 1


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
]


@pytest.mark.parametrize(('reason', 'stream', 'messages'), REFUSALS)
def test_every_refusal_names_its_stream(reason, stream, messages):
    refused = feed(builder(), messages).window(T0, T0 + 30 * MS)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.stream) == (reason, stream)
    assert str(refused).startswith(f'{stream}: {reason.value} (')


def test_every_refusal_is_among_those_tested():
    assert {reason for reason, _, _ in REFUSALS} == set(Refusal)


@pytest.mark.parametrize(('age_ms', 'given_window'), [(80, True), (81, False)])
def test_the_newest_sample_may_be_as_old_as_the_tolerance(age_ms, given_window):
    made = feed(builder(), both(last_ns=T0 + 100 * MS))
    newest = made._buffers['joints'].newest_ns
    result = made.window(T0, newest + age_ms * MS)
    assert isinstance(result, ObservationWindow) is given_window


def test_the_anchor_is_the_newest_grid_time_that_every_stream_covers():
    made = builder()
    assert made.newest_anchor_ns() is None
    made.add('tcp', Sample(T0 + 190 * MS, np.zeros(7)))
    assert made.newest_anchor_ns() is None
    assert made.ages_ns(T0 + 200 * MS) == {'tcp': 10 * MS, 'joints': None}
    made.add('joints', Sample(T0 + 100 * MS - 1, np.zeros(6)))
    assert made.newest_anchor_ns() == T0
    made.add('joints', Sample(T0 + 100 * MS, np.zeros(6)))
    assert made.newest_anchor_ns() == T0 + 100 * MS
    made.clear()
    assert made.newest_anchor_ns() is None


def test_old_samples_are_forgotten_but_never_those_of_the_window():
    made = builder()
    for message in steady('joints', T0 - 60_000 * MS, T0, 10 * MS):
        made.add(*message)
    held = made._buffers['joints']._samples
    assert 130 <= len(held) <= 132
    assert held[0].stamp_ns <= T0 - (STEPS - 1) * PERIOD - 900 * MS
