"""When the next window is due, and what of a prediction is sent."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.core.receding import RecedingHorizon, StopAndWait

few = settings(max_examples=100, deadline=None)
nows = st.integers(0, 2 * 10**18)


@st.composite
def horizons(draw):
    steps = draw(st.integers(1, 5))
    now_index, played = draw(st.integers(0, steps - 1)), draw(st.integers(1, 8))
    return RecedingHorizon(
        period_ns=draw(st.integers(1_000_000, 500_000_000)),
        window_steps=steps,
        action_steps=played,
        prediction_steps=now_index + played + draw(st.integers(1, 8)),
        now_index=now_index,
        margin_ns=draw(st.integers(0, 50_000_000)),
    )


@given(horizons(), nows)
@few
def test_the_first_window_lies_after_the_start_and_no_later_than_it_must(horizon, now):
    begun = horizon.started(now)
    first = begun.next_anchor_ns - (horizon.window_steps - 1) * horizon.period_ns
    assert now <= first < now + horizon.period_ns
    assert first % horizon.period_ns == 0
    assert horizon.next_anchor_ns == 0  # the old value is untouched


@given(horizons(), nows, st.integers(2, 6))
@few
def test_windows_follow_each_other_by_the_actions_to_be_executed(horizon, now, count):
    plan, anchors = horizon.started(now), []
    newest = plan.next_anchor_ns - 3 * horizon.period_ns
    while len(anchors) < count:
        anchor = plan.anchor(newest)
        if anchor is None:
            newest += horizon.period_ns
        else:
            anchors.append(anchor)
            plan = plan.planned(anchor)
    assert set(np.diff(anchors)) == {horizon.action_steps * horizon.period_ns}


@given(horizons(), nows, st.integers(0, 30))
@few
def test_who_has_fallen_behind_plans_from_the_newest(horizon, now, behind):
    plan = horizon.started(now)
    newest = plan.next_anchor_ns + behind * horizon.period_ns
    assert plan.anchor(newest) == newest
    following = plan.planned(newest)
    assert following.anchor(newest) is None
    assert following.next_anchor_ns == newest + horizon.action_steps * horizon.period_ns


def test_what_is_not_covered_is_waited_for_and_what_is_refused_is_tried_one_step_later():
    plan = RecedingHorizon(100, 2, 8, 16, 1, 0).started(1000)
    assert plan.anchor(None) is None
    assert plan.anchor(1000) is None
    assert plan.anchor(1100) == 1100
    assert plan.refused(1100).next_anchor_ns == 1200


@given(horizons(), st.integers(0, 10**12), st.integers(-(10**9), 20 * 10**9))
@few
def test_a_chunk_holds_all_that_can_still_be_reached_and_nothing_else(horizon, step, delay):
    anchor = step * horizon.period_ns
    now = anchor + delay
    waypoints = np.arange(horizon.prediction_steps, dtype=float)[:, None]
    # The action decided at grid time t is the waypoint due at t + period.
    due = [
        anchor + (i - horizon.now_index + 1) * horizon.period_ns
        for i in range(horizon.prediction_steps)
    ]
    reachable = [i for i, t in enumerate(due) if t >= now + horizon.margin_ns]
    chunk = horizon.chunk(waypoints, anchor, now)
    if not reachable:
        assert chunk is None
    else:
        assert chunk.stamps_ns == tuple(due[i] for i in reachable)
        assert chunk.waypoints.ravel().tolist() == reachable


@given(horizons(), st.integers(0, 10**12), st.integers(0, 8 * 10**8), st.integers(0, 8 * 10**8))
@few
def test_a_chunk_that_knew_its_prefix_begins_behind_it_or_is_discarded(
    horizon, step, expected, taken
):
    anchor = step * horizon.period_ns
    steps = horizon.delay_steps(expected)
    waypoints = np.arange(horizon.prediction_steps, dtype=float)[:, None]
    chunk = horizon.chunk(waypoints, anchor, anchor + taken, steps)
    if taken + horizon.margin_ns <= expected and horizon.now_index + steps < len(waypoints):
        assert chunk is not None  # a delay that was foreseen never discards
    if chunk is not None:
        assert chunk.waypoints[0] == horizon.now_index + steps
        assert chunk.splice_ns == anchor + (steps + 1) * horizon.period_ns
        assert chunk.splice_ns >= anchor + taken + horizon.margin_ns


@given(horizons(), st.integers(0, 10**12), st.integers(0, 4 * 10**9))
@few
def test_the_next_chunk_comes_before_the_present_one_is_played_out(horizon, step, delay):
    anchor = step * horizon.period_ns
    following = horizon.planned(anchor, delay).next_anchor_ns
    ahead = (following - anchor) // horizon.period_ns
    assert 1 <= ahead <= horizon.action_steps
    if ahead > 1 or delay <= horizon.period_ns:
        end = horizon.due(anchor)[-1]
        assert following + (horizon.delay_steps(delay) + 1) * horizon.period_ns <= end


def test_who_stops_and_waits_plays_its_actions_whole_and_looks_only_at_rest():
    waiting = StopAndWait(100, 2, 4, 16, 1, 0, settle_steps=2, dwell_steps=30).started(1000)
    assert waiting.next_anchor_ns == 1100
    waypoints = np.arange(16.0)[:, None]
    chunk = waiting.chunk(waypoints, 1100, now_ns=1330)
    # Planned for 1200 ..., ready at 1330: all of them two steps later, then the last one stays.
    assert chunk.stamps_ns == (1400, 1500, 1600, 1700, 4700)
    assert chunk.waypoints.ravel().tolist() == [1, 2, 3, 4, 4]
    # At rest at 1900, the window's two steps from then on.
    assert waiting.planned(1100, 230, chunk).next_anchor_ns == 2000
    assert waiting.planned(1100, 230, None).next_anchor_ns == 1200
