"""Planning while the arm plays, against an executor that plays by absolute time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.core.asynchronous import AsynchronousPlanning
from dp_ros.core.chunk import Schedule, Verdict
from dp_ros.core.receding import RecedingHorizon, StopAndWait

MS = 1_000_000
PERIOD = 100 * MS
HORIZON = RecedingHorizon(PERIOD, 2, 4, 16, 1, 25 * MS)


class Robot:
    """A planner, and an executor that tells of what it accepts `back_ms` after it came.

    Each plan is numbered: its waypoints are its number, except where it goes on from others.
    """

    def __init__(self, horizon=HORIZON, pins=True, lead_ms=0):
        self.planning = AsynchronousPlanning(horizon, pins, 0.99, lead_ms * MS)
        self.lead = lead_ms * MS
        self.now, self.number = 0, 0
        self.schedule = Schedule(pose=False, width=1)
        self.chunks, self.asks, self.verdicts = [], [], []

    def begin(self):
        self.planning.begin(self.now)
        self.schedule = self.schedule.started(self.now, np.zeros(1))

    def plan(self, thinks_ms, back_ms=5, arrives=True):
        """Wait for the next anchor, think, send; the chunk, or None."""
        while True:
            newest = self.now // PERIOD * PERIOD
            anchor = self.planning.anchor(newest, self.now)
            if anchor is not None:
                break
            self.now += MS
        ask = self.planning.ask(anchor, self.now)
        self.number += 1
        waypoints = np.full((16, 1), float(self.number))
        if ask.knew is not None:
            waypoints[: 1 + ask.knew] = ask.before[: 1 + ask.knew]
        self.now += round(thinks_ms * MS)
        chunk = self.planning.answer(ask, waypoints, self.now)
        self.asks.append(ask)
        if chunk is not None and arrives:
            self.now += 4 * MS
            self.schedule, verdict = self.schedule.accept(chunk, self.now + self.lead)
            self.verdicts.append(verdict)
            ahead = self.schedule.ahead(self.now)
            self.now += back_ms * MS
            if verdict is Verdict.ACCEPTED:
                self.chunks.append(chunk)
                self.planning.accepted(ahead, self.now)
        return chunk


@pytest.mark.parametrize('lead_ms', [0, 60])
@pytest.mark.parametrize('thinks_ms', [20, 60, 180, 330, 620])
def test_chunks_follow_each_other_without_a_gap_and_splice_behind_what_is_played(
    thinks_ms, lead_ms
):
    robot = Robot(lead_ms=lead_ms, horizon=replace(HORIZON, margin_ns=(25 + lead_ms) * MS))
    robot.begin()
    for _ in range(8):
        robot.plan(thinks_ms)
    assert set(robot.verdicts) == {Verdict.ACCEPTED}
    for old, new in zip(robot.chunks, robot.chunks[1:], strict=False):
        assert old.splice_ns < new.splice_ns <= old.end_ns + PERIOD
    chunk, ask = robot.chunks[-1], robot.asks[-1]
    assert ask.knew == ask.delay_steps
    if thinks_ms < 400:
        # It need not begin late in the midst of a period, since it is done before the next is due.
        assert ask.knew == HORIZON.delay_steps((thinks_ms + 9 + lead_ms) * MS)
    assert chunk.splice_ns == ask.anchor_ns + (1 + ask.delay_steps) * PERIOD


@given(st.lists(st.floats(5, 500), min_size=4, max_size=15), st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_a_plan_knows_of_is_what_is_played_until_it_takes_over(thinks_ms, pins):
    robot = Robot(pins=pins)
    robot.begin()
    played = {}
    for think in thinks_ms:
        before = robot.schedule
        chunk = robot.plan(think)
        played |= {
            stamp: value[0]
            for stamp, value in zip(before.stamps_ns, before.waypoints, strict=True)
            if chunk is None or stamp < chunk.splice_ns
        }
        ask = robot.asks[-1]
        if ask.before is None or chunk is None:
            continue
        due = robot.planning.horizon.due(ask.anchor_ns)
        for stamp, row in zip(due, ask.before, strict=True):
            if stamp < chunk.splice_ns and np.isfinite(row).all() and stamp in played:
                assert row[0] == played[stamp]


def test_a_chunk_that_outran_what_it_knew_is_discarded_and_planned_anew_at_once():
    robot = Robot()
    robot.begin()
    for _ in range(3):
        robot.plan(60)
    assert robot.asks[-1].delay_steps == 0
    anchor = robot.planning.horizon.next_anchor_ns
    assert robot.plan(180) is None
    assert robot.planning.counts['discarded'] == 1
    assert robot.planning.horizon.next_anchor_ns == anchor + PERIOD
    # Its delay is known, and the next plan counts on it.
    assert robot.planning.history.delays_ns[-1] == 180 * MS
    assert robot.plan(180) is not None
    # From a window that was 80 ms old when it was asked for.
    assert robot.asks[-1].anchor_ns == anchor + PERIOD
    assert robot.asks[-1].knew == 2


def test_a_chunk_that_outran_what_it_knew_is_sent_where_the_arm_would_stop_else():
    robot = Robot()
    robot.begin()
    for _ in range(3):
        robot.plan(330)
    ends = robot.schedule.stamps_ns[-1]
    assert robot.plan(720) is not None
    assert robot.planning.counts['free'] == 1
    assert robot.planning.counts['discarded'] == 0
    assert set(robot.verdicts) == {Verdict.ACCEPTED}
    assert robot.asks[-1].anchor_ns + 330 * MS < robot.chunks[-1].splice_ns <= ends
    assert robot.plan(330) is not None
    assert robot.planning.counts['free'] == 1


def test_a_chunk_that_pins_nothing_is_of_use_whenever_it_comes():
    robot = Robot(pins=False)
    robot.begin()
    for thinks_ms in (60, 60, 180, 60):
        assert robot.plan(thinks_ms) is not None
    assert robot.asks[-1].before is not None
    assert robot.asks[-1].knew is None
    assert robot.planning.counts['discarded'] == 0


def test_a_chunk_that_the_executor_did_not_take_is_late_and_longer_than_it_might_have_been():
    robot = Robot()
    robot.begin()
    robot.plan(60)
    sent = robot.plan(60, arrives=False)
    robot.plan(60)
    counts = robot.planning.counts
    assert (counts['planned'], counts['accepted'], counts['late']) == (3, 2, 1)
    might = sent.splice_ns - robot.asks[1].anchor_ns
    assert might + 1 in robot.planning.history.delays_ns
    robot.plan(60)
    assert robot.asks[-1].delay_steps == 1


def test_nothing_is_planned_before_the_executor_has_told_of_the_last_chunk():
    robot = Robot()
    robot.begin()
    chunk = robot.plan(60, arrives=False)
    newest = robot.planning.horizon.next_anchor_ns + 3 * PERIOD
    assert robot.planning.anchor(newest, chunk.splice_ns) is None
    assert robot.planning.anchor(newest, chunk.splice_ns + 2 * PERIOD) == newest


def test_a_new_epoch_forgets_what_was_committed_and_keeps_the_delays():
    robot = Robot()
    robot.begin()
    for _ in range(3):
        robot.plan(180)
    delays = robot.planning.history.delays_ns
    anchor = robot.planning.horizon.next_anchor_ns
    old = robot.planning.ask(anchor, robot.now)
    robot.begin()
    assert robot.planning.answer(old, np.zeros((16, 1)), robot.now) is None
    assert robot.planning.history.delays_ns == delays
    assert robot.planning.counts['discarded'] == 0
    robot.plan(180)
    ask = robot.asks[-1]
    assert (ask.before, ask.knew, ask.delay_steps) == (None, None, 1)


def test_an_arm_that_waits_knows_of_nothing():
    robot = Robot(StopAndWait(**vars(HORIZON)))
    robot.begin()
    for _ in range(4):
        robot.plan(300)
    assert {ask.before is None for ask in robot.asks} == {True}
    gaps = np.diff([chunk.splice_ns for chunk in robot.chunks])
    # T_a steps played, two to settle, a window of two, and the time of thought.
    assert set(gaps) == {1_000 * MS}


def test_what_is_told_of_it():
    robot = Robot()
    robot.begin()
    for _ in range(5):
        robot.plan(180)
    told = robot.planning.statistics(robot.now)
    assert told['delay_p50_ms'] == told['delay_p99_ms'] == told['delay_expected_ms']
    assert told['delay_expected_ms'] == pytest.approx(189)
    assert (told['delay_steps'], told['chunks_planned'], told['confidence']) == (1, 5, 0.99)
    assert 0 < told['next_start_ms'] <= 400
