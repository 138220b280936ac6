"""The schedule of committed waypoints."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dp_ros.core.chunk import Schedule, Verdict
from dp_ros.core.stamped import ActionChunk
from dp_ros.core.trajectory import interpolate

few = settings(max_examples=60, deadline=None)
MS = 1_000_000
NOW = 1_700_000_000_000_000_000
WIDTH = {True: 7, False: 6}


def waypoints(count, pose, seed=0):
    rng = np.random.default_rng(seed)
    if not pose:
        return rng.uniform(-2, 2, (count, 6))
    turned = Rotation.random(count, random_state=rng).as_quat()
    return np.concatenate([rng.uniform(-1, 1, (count, 3)), turned], axis=1)


def chunk(first_ns, count, pose=False, step_ns=100 * MS, seed=0):
    stamps = tuple(first_ns + i * step_ns for i in range(count))
    return ActionChunk(stamps, waypoints(count, pose, seed))


def standing(pose=False):
    return Schedule(pose, WIDTH[pose]).started(NOW, waypoints(1, pose, seed=9)[0])


@st.composite
def played(draw):
    """A schedule after some chunks at rising times, and the time of the last."""
    pose = draw(st.booleans())
    schedule, now = standing(pose), NOW
    for seed in range(draw(st.integers(0, 4))):
        now += draw(st.integers(0, 300 * MS))
        offered = chunk(
            now + draw(st.integers(-50 * MS, 400 * MS)),
            draw(st.integers(1, 6)),
            pose,
            draw(st.integers(1 * MS, 120 * MS)),
            seed,
        )
        schedule, _ = schedule.accept(offered, now)
    return schedule, now


@given(played(), st.integers(0, 400 * MS), st.integers(1, 6), st.integers(1, 150 * MS))
@few
def test_a_chunk_replaces_what_follows_its_splice_and_nothing_before(state, ahead, count, step):
    schedule, now = state
    offered = chunk(now + ahead, count, schedule.pose, step, seed=77)
    after, verdict = schedule.accept(offered, now)
    assert verdict is Verdict.ACCEPTED
    assert after.splice_ns == offered.splice_ns
    assert after.stamps_ns[-count:] == offered.stamps_ns
    np.testing.assert_array_equal(after.waypoints[-count:], offered.waypoints)
    kept = [t for t in schedule.stamps_ns if t < offered.splice_ns]
    before = [t for t in after.stamps_ns[:-count] if t != now or t in kept]
    assert before == kept[len(kept) - len(before) :]
    assert (np.diff(after.stamps_ns) > 0).all()
    # Up to the last committed waypoint before the splice, what is due stays equal to the bit.
    for time in np.linspace(now, max(kept[-1], now), 7).astype(np.int64).tolist() if kept else []:
        if now <= time <= kept[-1]:
            assert after.due(time).tobytes() == schedule.due(time).tobytes()
    assert after.due(offered.splice_ns).tobytes() == offered.waypoints[0].tobytes()
    # Where the arm is on its way to a waypoint that is replaced, it goes on from where it is.
    if now < offered.splice_ns and schedule.due(now) is not None:
        assert after.due(now).tobytes() == schedule.due(now).tobytes()


@given(played(), st.integers(0, 500 * MS), st.integers(0, 500 * MS))
@few
def test_trimming_changes_nothing_that_is_due_now_or_later(state, wait, later):
    schedule, now = state
    now += wait
    trimmed = schedule.trimmed(now)
    assert len(trimmed.stamps_ns) <= len(schedule.stamps_ns)
    assert sum(t <= now for t in trimmed.stamps_ns) <= 1
    for time in (now, now + later, *(t for t in schedule.stamps_ns if t >= now)):
        before, after = schedule.due(time), trimmed.due(time)
        assert (before is None) == (after is None)
        assert before is None or before.tobytes() == after.tobytes()
    assert trimmed.stamps_ns[-1] == schedule.stamps_ns[-1]
    first, second = schedule.ahead(now), trimmed.ahead(now)
    assert (first is None) == (second is None)
    if first is not None:
        assert first.stamps_ns == second.stamps_ns
        assert min(first.stamps_ns) > now
        np.testing.assert_array_equal(first.waypoints, second.waypoints)


@pytest.mark.parametrize('pose', [False, True])
def test_what_is_due_lies_between_the_neighbours(pose):
    schedule, _ = standing(pose).accept(chunk(NOW + 100 * MS, 3, pose), NOW)
    points = schedule.waypoints
    assert schedule.due(NOW - 1) is None
    assert schedule.due(NOW).tobytes() == points[0].tobytes()
    for k, (a, b) in enumerate(pairwise(points)):
        due = schedule.due(NOW + k * 100 * MS + 30 * MS)
        assert due.tobytes() == interpolate(a, b, 0.3, pose).tobytes()
    assert schedule.due(NOW + 300 * MS).tobytes() == points[-1].tobytes()
    assert schedule.due(NOW + 300 * MS + 1) is None
    assert schedule.covers(NOW + 300 * MS)
    assert not schedule.covers(NOW + 300 * MS + 1)


def broken(value):
    made = chunk(NOW + 100 * MS, 3, pose=True)
    points = made.waypoints.copy()
    points[1, 5] = value
    return ActionChunk(made.stamps_ns, points)


@pytest.mark.parametrize(
    ('offered', 'verdict'),
    [
        (chunk(NOW - 1, 9, True), Verdict.LATE),
        (chunk(NOW, 2, True), Verdict.ACCEPTED),
        (chunk(NOW + 2_000 * MS, 2, True), Verdict.ACCEPTED),
        (chunk(NOW + 2_000 * MS + 1, 2, True), Verdict.TOO_FAR_AHEAD),
        (chunk(NOW, 2, False), Verdict.WRONG_SIZE),
        (ActionChunk((NOW,), np.zeros(1)), Verdict.WRONG_SIZE),
        (broken(np.nan), Verdict.NOT_FINITE),
        (broken(-np.inf), Verdict.NOT_FINITE),
        (broken(3.0), Verdict.NOT_A_ROTATION),
        (broken(1e300), Verdict.NOT_A_ROTATION),
        (ActionChunk((NOW,), np.zeros((1, 7))), Verdict.NOT_A_ROTATION),
    ],
)
def test_a_refused_chunk_leaves_the_schedule_as_it_is(offered, verdict):
    schedule = standing(pose=True)
    after, given_verdict = schedule.accept(offered, NOW)
    assert given_verdict is verdict
    assert (after is schedule) == (verdict is not Verdict.ACCEPTED)


def test_a_schedule_never_changes_and_shares_nothing_with_its_chunks():
    schedule = standing()
    offered = chunk(NOW + 50 * MS, 3)
    after, _ = schedule.accept(offered, NOW)
    assert schedule.stamps_ns == (NOW,)
    assert schedule.splice_ns is None
    offered.waypoints[0] = 99.0
    assert not (after.waypoints == 99.0).any()
    with pytest.raises(ValueError, match='read-only'):
        after.waypoints[0] = 0.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        after.stamps_ns = ()


def test_a_start_is_a_new_epoch():
    schedule, _ = standing().accept(chunk(NOW + 10 * MS, 5), NOW)
    fresh = schedule.started(NOW + 20 * MS, np.zeros(6))
    assert fresh.stamps_ns == (NOW + 20 * MS,)
    assert fresh.splice_ns is None
    assert fresh.ahead(NOW + 20 * MS) is None


def test_an_empty_schedule_has_nothing():
    empty = Schedule(False, 6)
    assert empty.due(NOW) is None
    assert empty.ahead(NOW) is None
    assert not empty.covers(NOW)
    assert empty.trimmed(NOW) is empty
    after, verdict = empty.accept(chunk(NOW, 2), NOW)
    assert verdict is Verdict.ACCEPTED
    assert len(after.stamps_ns) == 2


@pytest.mark.parametrize(
    ('stamps', 'count', 'text'),
    [
        ((1, 2), 3, '2 times, 3 waypoints'),
        ((), 0, '0 times'),
        ((1, 1), 2, 'rise strictly'),
        ((2, 1), 2, 'rise strictly'),
    ],
)
def test_a_chunk_with_senseless_times_never_comes_to_exist(stamps, count, text):
    with pytest.raises(ValueError, match=text):
        ActionChunk(stamps, np.zeros((count, 6)))
