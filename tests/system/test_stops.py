"""A protective stop in a running rollout, and the way out of it by two calls."""

import time

import numpy as np
import pytest
from std_srvs.srv import Trigger

from dp_ros import bringup
from dp_ros.data import messages
from dp_ros.nodes import topics
from dp_ros.nodes.driver_watch import EXIT_BROKEN
from tests.loopback import free_address
from tests.system.observer import graph_of
from tests.system.test_faults import arm_policy, start_policy

pytestmark = pytest.mark.timeout(180)
UNLOCK_S = 5.0
BACK_SPEED = 0.05


def trigger(observer, name):
    return observer.ask(Trigger, name, Trigger.Request(), timeout_s=30.0)


def recover(observer):
    return trigger(observer, topics.RECOVER_SERVICE)


def recover_once_it_may(observer):
    """On a busy machine the cell's five seconds are longer than ours."""
    deadline = time.monotonic() + 20
    while 'until 5s' in (answer := recover(observer)).message and time.monotonic() < deadline:
        time.sleep(0.5)
    return answer


def speeds(commands):
    """[m/s] of the tool centre point, from samples of the command."""
    times = np.array([sample.stamp_ns / 1e9 for sample in commands])
    points = np.array([sample.value[:3] for sample in commands])
    # A third of a second at once: some ticks are late.
    ends = np.searchsorted(times, times + 0.33)
    pairs = [(i, j) for i, j in enumerate(ends) if j < len(times)]
    return np.array(
        [np.linalg.norm(points[j] - points[i]) / (times[j] - times[i]) for i, j in pairs]
    )


def test_a_protective_stop_is_named_recovered_from_slowly_and_the_policy_goes_on(domain, tmp_path):
    cell = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    with graph_of(cell, domain, tmp_path) as (_, observer):
        commands = []

        def keep(message):
            commands.append((time.monotonic(), messages.pose_sample(message)))

        said = topics.CARTESIAN_COMMAND
        observer.create_subscription(said.type, said.name, keep, said.qos)
        start_policy(observer)
        observer.wait_for(lambda: len(observer.commands) > 60, 10, 'the arm moves')
        refused = recover(observer)
        assert not refused.success
        assert 'cannot recover in mode policy' in refused.message

        trigger(observer, topics.sim_event('protective_stop'))
        stopped = time.monotonic()
        observer.wait_for(lambda: observer.mode == 'protective_stop', 2, 'the stop is named')
        sent = [value for stamp, value in observer.commands if stamp < observer.modes[-1][0]]
        refused = observer.arm()
        assert not refused.success
        assert 'protective stop' in refused.message
        assert '/executor/recover' in refused.message
        refused = recover(observer)
        assert not refused.success
        assert 'no sooner than 5 s' in refused.message
        assert observer.mode == 'protective_stop'

        time.sleep(max(0.0, stopped + UNLOCK_S + 0.3 - time.monotonic()))
        begun = time.monotonic()
        answer = recover_once_it_may(observer)
        assert answer.success, answer.message
        observer.wait_for(lambda: observer.mode == 'holding', 5, 'the arm holds')
        assert [mode for stamp, mode in observer.modes if stamp > begun] == [
            'recovering', 'holding',
        ]  # fmt: skip
        back = [sample for stamp, sample in commands if stamp > begun]
        assert speeds(back).max() < 1.2 * BACK_SPEED
        # The last safe pose is one of those that were commanded shortly before the stop.
        last = np.array(sent[-60:])[:, :3]
        assert np.linalg.norm(last - back[-1].value[:3], axis=1).min() < 0.02
        time.sleep(0.5)
        assert observer.mode == 'holding'  # nothing more without a call

        before = len(observer.commands)
        arm_policy(observer)
        observer.wait_for(lambda: len(observer.commands) > before + 120, 10, 'it goes on')
        moved = np.ptp([value[:3] for _, value in observer.commands[before:]], axis=0).max()
        assert moved > 0.01
        assert observer.mode == 'policy'


def holding(observer):
    """Streaming, without a policy: armed, and let starve."""
    answer = observer.arm()
    assert answer.success, answer.message
    observer.wait_for(lambda: observer.mode == 'holding', 15, 'the arm holds')


def test_every_stop_is_named_and_recovered_from_by_request(domain, tmp_path):
    """One cell, one stop after the other; no policy is needed to hold the arm."""
    *cell, _ = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    with graph_of(cell, domain, tmp_path) as (graph, observer):
        observer.wait_for(lambda: observer.mode == 'idle', 45, 'executor is active')
        holding(observer)
        for stop, mode, cleared in (
            ('stop_program', 'program_stopped', ''),
            ('emergency_stop', 'emergency_stop', 'release'),
            ('safeguard_stop', 'safeguard_stop', 'release'),
            ('power_off', 'not_operational', 'release'),
            ('local_control', 'no_remote_control', 'remote_control'),
            ('mute', 'fault', 'unmute'),
        ):
            trigger(observer, topics.sim_event(stop))
            observer.wait_for(lambda m=mode: observer.mode == m, 5, mode)
            reason = observer.statuses['executor/mode']
            if cleared:
                refused = recover(observer)
                assert not refused.success, stop
                assert observer.mode == mode
                trigger(observer, topics.sim_event(cleared))
                time.sleep(0.3)
            begun = time.monotonic()
            answer = recover(observer)
            assert answer.success, (stop, reason, answer.message)
            observer.wait_for(lambda: observer.mode == 'holding', 5, 'the arm holds')
            held = observer.commands[-1][1]
            assert all(
                np.abs(value[:3] - held[:3]).max() < 1e-4
                for stamp, value in observer.commands
                if stamp > begun + 0.2
            )
        observer.wait_for(
            lambda: observer.values['executor'].get('reconnects') == '1', 3, 'it is counted'
        )
        assert 'no new state' in observer.values['executor']['link_lost_by']
        assert graph.processes['executor'].poll() is None


def test_a_robot_that_stays_silent_ends_the_executor_before_ur_rtde_acts_by_itself(
    domain, tmp_path
):
    *cell, _ = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    with graph_of(cell, domain, tmp_path) as (graph, observer):
        observer.wait_for(lambda: observer.mode == 'idle', 45, 'executor is active')
        trigger(observer, topics.sim_event('mute'))
        observer.wait_for(lambda: observer.mode == 'fault', 3, 'the link is lost')
        assert graph.processes['executor'].wait(10) == EXIT_BROKEN
        assert 'no new state' in observer.statuses['executor/mode']
    assert 'has been silent for 2.0 s' in (tmp_path / 'logs' / 'executor.log').read_text()
