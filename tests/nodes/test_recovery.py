"""The steps of a recovery, with an arm that fails as told and a clock that is set."""

from concurrent.futures import Future

import numpy as np
import pytest

from dp_ros.core.mode import STOPPED_BY, Mode
from dp_ros.core.robot import ArmStatus
from dp_ros.hardware.arm import ArmError
from dp_ros.nodes.recovery import BY_HAND, Recovery
from tests.core.test_recovery import UNLOCK_TICKS
from tests.core.test_stream import Bench


class Desk:
    """A recovery of a stream on the bench. failures: how often connect fails."""

    def __init__(self, status, failures=0, wait=UNLOCK_TICKS):
        self.bench = Bench().moving()
        self.bench.tick(60)
        self.bench.report(status)
        self.bench.tick(wait)
        self.failures, self.connects, self.time, self.said = failures, [], 100.0, []
        self.recovery = Recovery(
            self.bench.stream,
            self._connect,
            lambda: self.bench.now,
            self.said.append,
            lambda: self.time,
        )

    def _connect(self, unlock):
        self.connects.append((self.time, unlock))
        if len(self.connects) <= self.failures:
            raise ArmError('nobody answers')
        self.bench.report(ArmStatus.RUNNING)
        return self.bench.state

    def ask(self):
        future = Future()
        self.recovery.begin(future, self.bench.state)
        return future

    def run(self, future, seconds=60.0):
        end = self.time + seconds
        while not future.done() and self.time < end:
            self.time += 0.008
            self.recovery.step()
            self.bench.tick()
        return future.result(0)


@pytest.mark.parametrize('status', BY_HAND)
def test_what_a_person_must_do_first_is_said_and_nothing_is_tried(status):
    desk = Desk(status)
    success, text = desk.ask().result(0)
    assert not success
    assert status.value in text
    assert 'then call /executor/recover' in text
    assert desk.connects == []


def test_a_protective_stop_is_left_alone_for_five_seconds():
    desk = Desk(ArmStatus.PROTECTIVE_STOP, wait=10)
    success, text = desk.ask().result(0)
    assert not success
    assert 'no sooner than 5 s' in text
    assert desk.connects == []


def test_a_protective_stop_is_unlocked_and_the_answer_comes_when_the_arm_is_back():
    desk = Desk(ArmStatus.PROTECTIVE_STOP)
    future = desk.ask()
    desk.recovery.step()
    assert not future.done()
    assert desk.bench.mode is Mode.RECOVERING
    assert desk.run(future) == (True, 'holding: back at the last safe pose')
    assert [unlock for _, unlock in desk.connects] == [True]
    assert desk.bench.mode is Mode.HOLDING


def test_a_hold_on_the_way_back_ends_it_and_is_told():
    desk = Desk(ArmStatus.PROTECTIVE_STOP)
    future = desk.ask()
    for _ in range(10):
        desk.recovery.step()
        desk.bench.tick()
    desk.bench.stream.hold('by service')
    assert desk.run(future) == (False, 'holding: hold requested: by service')


def test_a_lost_link_is_tried_three_times_with_growing_pauses():
    desk = Desk(ArmStatus.LINK_LOST, failures=9)
    success, text = desk.run(desk.ask())
    assert not success
    assert text == 'nobody answers'
    times = [time for time, _ in desk.connects]
    np.testing.assert_allclose(np.diff(times), [0.5, 1.0], atol=0.02)
    assert (desk.recovery.tries, desk.recovery.reconnects) == (3, 0)
    assert len(desk.said) == 2
    assert desk.bench.mode is Mode.FAULT


def test_a_lost_link_that_comes_back_is_counted_and_the_arm_holds():
    desk = Desk(ArmStatus.LINK_LOST, failures=1)
    success, text = desk.run(desk.ask())
    assert success
    assert 'call /executor/arm' in text
    assert (desk.recovery.tries, desk.recovery.reconnects) == (2, 1)
    assert desk.bench.mode is Mode.HOLDING
    assert 'reconnected' in desk.said[-1]


def test_a_stop_that_is_not_cleared_is_tried_once():
    desk = Desk(ArmStatus.PROTECTIVE_STOP, failures=9)
    assert desk.run(desk.ask()) == (False, 'nobody answers')
    assert len(desk.connects) == 1
    assert desk.bench.mode is Mode.PROTECTIVE_STOP


def test_one_recovery_at_a_time():
    desk = Desk(ArmStatus.LINK_LOST, failures=9)
    first = desk.ask()
    assert desk.ask().result(0) == (False, 'a recovery is under way already')
    desk.run(first)
    assert not desk.ask().done()


def test_there_is_nothing_to_recover_from_while_the_arm_obeys():
    desk = Desk(ArmStatus.RUNNING)
    success, text = desk.ask().result(0)
    assert not success
    assert 'cannot recover in mode holding' in text


def test_every_stop_is_either_recovered_from_or_left_to_a_person():
    assert set(STOPPED_BY) == {
        *BY_HAND, ArmStatus.PROTECTIVE_STOP, ArmStatus.PROGRAM_STOPPED, ArmStatus.LINK_LOST,
        ArmStatus.NO_REMOTE_CONTROL,
    }  # fmt: skip
