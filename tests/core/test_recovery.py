"""The stream after a stop: what it refuses, how it goes back, and that it then waits."""

import dataclasses

import numpy as np
import pytest

from dp_ros.core.chunk import Verdict
from dp_ros.core.mode import ADVICE, CONTROLLER_STOPS, STOPPED_BY, Mode
from dp_ros.core.robot import ArmStatus
from dp_ros.core.stamped import Sample
from tests.core.test_stream import MS, PERIOD_NS, Bench, both

CAUSES = [s for s in ArmStatus if STOPPED_BY.get(s) in CONTROLLER_STOPS]
UNLOCK_TICKS = 5_000 * MS // PERIOD_NS + 1


def stopped(status=ArmStatus.PROTECTIVE_STOP, task=None, wait=UNLOCK_TICKS):
    """An arm that was moving, was stopped, and whose cause is gone."""
    bench = (Bench(task) if task is not None else Bench()).moving()
    bench.tick(60)
    bench.report(status)
    bench.tick(wait)
    bench.report(ArmStatus.RUNNING)
    bench.tick()
    return bench


def recover(bench):
    return bench.stream.recover(bench.now, bench.state)


@pytest.mark.parametrize('status', CAUSES)
def test_each_cause_has_its_mode_and_its_advice(status):
    bench = Bench().moving()
    sent = len(bench.sent)
    bench.state = dataclasses.replace(bench.state, status=status, detail='a detail')
    assert bench.tick() is None
    assert bench.mode is STOPPED_BY[status]
    assert bench.stream.mode.reason == f'the controller stopped: {status.value}, a detail'
    for refusal in (bench.arm(), recover(bench)):
        assert status.value in refusal
        assert ADVICE[bench.mode] in refusal
    assert len(bench.sent) == sent


@pytest.mark.parametrize('status', [s for s in CAUSES if s is not ArmStatus.PROTECTIVE_STOP])
def test_after_other_stops_it_holds_where_it_stands(status):
    bench = stopped(status)
    standing = bench.at.copy()
    assert recover(bench) is None
    assert bench.mode is Mode.HOLDING
    for _ in range(20):
        assert bench.tick().values.tobytes() == standing.tobytes()
    assert bench.arm() is None


def test_the_consequences_of_a_stop_do_not_hide_it():
    bench = Bench().moving()
    for status in (ArmStatus.PROGRAM_STOPPED, ArmStatus.EMERGENCY_STOP, ArmStatus.NOT_OPERATIONAL,
                   ArmStatus.PROGRAM_STOPPED):  # fmt: skip
        bench.report(status)
        bench.tick()
    assert bench.mode is Mode.EMERGENCY_STOP


def test_a_stop_is_seen_by_an_idle_executor_too():
    bench = Bench()
    bench.tick()
    bench.report(ArmStatus.EMERGENCY_STOP)
    bench.tick()
    assert bench.mode is Mode.EMERGENCY_STOP


def test_a_protective_stop_is_not_unlocked_before_five_seconds():
    bench = Bench().moving()
    assert bench.stream.unlock_refused(bench.now) == ''
    bench.report(ArmStatus.PROTECTIVE_STOP)
    bench.tick()
    bench.tick(250)
    assert 'no sooner than 5 s' in bench.stream.unlock_refused(bench.now)
    assert 'call again in 3.0 s' in bench.stream.unlock_refused(bench.now)
    bench.tick(375)
    assert bench.stream.unlock_refused(bench.now) == ''


@both
def test_it_goes_back_slowly_to_where_it_was_half_a_second_before_and_waits(task):
    bench = stopped(task=task)
    end = bench.at.copy()
    before = len(bench.sent)
    ticks_back = 500 * MS // PERIOD_NS
    safe = bench.sent[before - 1 - ticks_back]
    assert recover(bench) is None
    assert bench.mode is Mode.RECOVERING
    while bench.mode is Mode.RECOVERING:
        assert bench.tick() is not None
        assert len(bench.sent) - before < 2500
    way = np.array(bench.sent[before:])
    axes = 3 if bench.cartesian else 6
    speed = bench.stream.config.back_speed if bench.cartesian else 0.2
    steps = np.diff(way[:, :axes], axis=0)
    size = np.linalg.norm(steps, axis=1) if bench.cartesian else np.abs(steps).max(axis=1)
    # A profile that is limited in jerk catches up a little where it starts.
    assert size.max() <= 1.3 * speed * PERIOD_NS / 1e9
    assert np.abs(way[0] - end).max() < 1e-3
    # The trail has a point every 50 ms.
    assert np.abs(way[-1] - safe)[:axes].max() < 0.1 * 0.06
    bench.tick(50)
    assert bench.mode is Mode.HOLDING
    assert bench.stream.mode.reason == 'back at the last safe pose'
    assert bench.speed() == 0.0
    assert bench.arm() is None


def test_on_the_way_back_nobody_else_commands_and_hold_ends_it():
    bench = stopped()
    assert recover(bench) is None
    bench.tick(10)
    assert bench.offer() is Verdict.NOT_ARMED
    assert 'cannot arm in mode recovering' in bench.arm()
    assert 'cannot recover in mode recovering' in recover(bench)
    twist = Sample(bench.now, np.array([0.1, 0, 0, 0, 0, 0]))
    refusal = bench.stream.teleoperate(twist, bench.now, bench.state)
    assert 'cannot teleoperate in mode recovering' in refusal
    bench.stream.hold('by hand')
    assert bench.mode is Mode.HOLDING
    bench.brakes()


def test_late_ticks_make_the_way_back_longer_not_faster():
    bench = stopped()
    assert recover(bench) is None
    largest = 0.0
    for i in range(100):
        bench.now += (i % 5 == 0) * 200 * MS
        before = bench.at[:3]
        bench.tick()
        largest = max(largest, float(np.linalg.norm(bench.at[:3] - before)))
    assert 0 < largest <= 1.3 * 0.05 * PERIOD_NS / 1e9


def test_a_second_stop_on_the_way_back_leads_on_from_there():
    bench = stopped()
    safe = bench.stream._trail.points[0]
    assert recover(bench) is None
    bench.tick(60)
    bench.report(ArmStatus.PROTECTIVE_STOP)
    bench.tick(UNLOCK_TICKS)
    assert bench.mode is Mode.PROTECTIVE_STOP
    bench.report(ArmStatus.RUNNING)
    start, direction = bench.at[0], np.sign(safe[0] - bench.at[0])
    assert recover(bench) is None
    while bench.mode is Mode.RECOVERING:
        bench.tick()
        assert (bench.at[0] - start) * direction > -0.006
    assert abs(bench.at[0] - safe[0]) < 1e-3


def test_an_arm_that_was_pushed_out_of_the_workspace_is_not_moved():
    bench = stopped()
    bench.state = dataclasses.replace(bench.state, tcp_pose=np.array([0.9, *bench.at[1:]]))
    assert 'outside the workspace' in recover(bench)
    assert bench.mode is Mode.PROTECTIVE_STOP
    assert bench.tick() is None


def test_a_lost_link_is_recovered_to_a_hold():
    bench = stopped(ArmStatus.LINK_LOST)
    assert bench.mode is Mode.FAULT
    assert '/executor/recover' in bench.arm()
    assert recover(bench) is None
    assert bench.mode is Mode.HOLDING
    assert bench.arm() is None


def test_an_arm_that_was_moved_by_hand_has_no_old_trail():
    bench = stopped(ArmStatus.PROGRAM_STOPPED)
    elsewhere = bench.at + np.eye(7)[1] * 0.1
    bench.state = dataclasses.replace(bench.state, tcp_pose=elsewhere)
    assert bench.arm() is None
    bench.tick(3)
    bench.report(ArmStatus.PROTECTIVE_STOP)
    bench.tick(UNLOCK_TICKS)
    bench.report(ArmStatus.RUNNING)
    assert recover(bench) is None
    bench.tick(700)
    assert bench.mode is Mode.HOLDING
    np.testing.assert_allclose(bench.at, elsewhere, atol=1e-6)
