"""A person takes the arm of the simulated cell, from rest and from a policy that is at work."""

import time

import numpy as np
import pytest

from dp_ros import bringup
from dp_ros.nodes import convert, topics
from tests.loopback import free_address
from tests.system.observer import graph_of
from tests.system.test_faults import START_S, is_planning, start_policy

pytestmark = pytest.mark.timeout(180)


class Operator:
    """Twists at 30 Hz, as the teleop node sends them while the deadman is pressed."""

    def __init__(self, observer):
        self._observer = observer
        self._out = topics.TELEOP_TWIST.publisher(observer)
        observer.wait_for(
            lambda: self._out.get_subscription_count() > 0, 10, 'the executor hears twists'
        )

    def move(self, x, y, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._out.publish(convert.twist_message(time.time_ns(), np.array([x, y, 0, 0, 0, 0])))
            time.sleep(1 / 30)

    def let_go(self):
        self._out.publish(convert.twist_message(time.time_ns(), np.zeros(6), released=True))


def steps(commands):
    """Largest step [m] between consecutive commands and their speeds [m/s] by time."""
    times = np.array([stamp for stamp, _ in commands])
    positions = np.array([value[:3] for _, value in commands])
    return np.linalg.norm(np.diff(positions, axis=0), axis=1), np.diff(times)


def test_a_person_moves_the_arm_and_silence_stops_it(domain, tmp_path):
    sim, executor, _ = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    with graph_of([sim, executor], domain, tmp_path) as (_, observer):
        observer.wait_for(lambda: observer.mode == 'idle', START_S, 'executor is active')
        operator = Operator(observer)
        operator.move(0.08, 0.0, 1.5)
        silent = time.monotonic()
        observer.wait_for(lambda: observer.mode == 'holding', 2, 'the arm holds')
        time.sleep(0.5)
        first, last = observer.commands[0][1], observer.commands[-1][1]
        assert last[0] - first[0] == pytest.approx(0.12, abs=0.03)
        np.testing.assert_allclose(last[1:3], first[1:3], atol=1e-6)
        largest, _ = steps(observer.commands)
        assert largest.max() < 0.012
        moving = [
            stamp
            for (stamp, a), (_, b) in zip(observer.commands, observer.commands[1:], strict=False)
            if np.abs(a - b).max() > 1e-6
        ]
        # 0.2 s is the goal; two noisy cores get a little more.
        assert moving[-1] - silent < 0.3


def test_whose_twists_cease_does_not_give_the_arm_back(domain, tmp_path):
    """The teleop node is killed while a person holds the arm where it is."""
    cell = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    with graph_of(cell, domain, tmp_path) as (_, observer):
        start_policy(observer)
        operator = Operator(observer)
        operator.move(0.0, 0.0, 0.5)
        assert observer.mode == 'teleoperated'
        observer.wait_for(lambda: observer.mode == 'holding', 2, 'the arm holds')
        time.sleep(1.0)
        assert observer.mode == 'holding'
        assert 'ceased without a release' in observer.statuses['executor/mode']


def test_a_person_interrupts_the_policy_and_gives_back(domain, tmp_path):
    cell = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    with graph_of(cell, domain, tmp_path) as (_, observer):
        start_policy(observer)
        operator = Operator(observer)
        time.sleep(1.0)
        operator.move(0.0, 0.05, 1.0)
        assert observer.mode == 'teleoperated'
        operator.let_go()
        observer.statuses.pop('executor/chunk', None)
        observer.wait_for(lambda: observer.mode == 'policy', 2, 'the policy has the arm again')
        observer.wait_for(lambda: is_planning(observer), 10, 'a fresh chunk is accepted')
        time.sleep(1.0)
        assert observer.mode == 'policy'
        told = [mode for _, mode in observer.modes]
        assert told[-3:] == ['policy', 'teleoperated', 'policy']
        largest, _ = steps(observer.commands)
        assert largest.max() < 0.02
