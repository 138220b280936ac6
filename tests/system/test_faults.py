"""The whole graph in real processes, and what happens to the arm when a part of it fails."""

import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition

from dp_ros import bringup
from dp_ros.core.stamped import ActionChunk
from dp_ros.nodes import convert
from dp_ros.paths import share
from dp_ros.ros_process import Process, environment
from dp_ros.running import running
from tests.loopback import free_address
from tests.system.observer import graph_of
from tests.ur_peer import Peer

pytestmark = pytest.mark.timeout(180)
START_S = 45.0


def is_planning(observer):
    return observer.statuses.get('executor/chunk') == 'accepted'


def start_policy(observer):
    observer.wait_for(lambda: observer.mode == 'idle', START_S, 'executor is active')
    observer.wait_for(
        lambda: observer.statuses.get('inference') == 'warm', START_S, 'the policy is warm'
    )
    arm_policy(observer)


def arm_policy(observer):
    deadline = time.monotonic() + 30
    observer.statuses.pop('executor/chunk', None)
    while not is_planning(observer) and time.monotonic() < deadline:
        # On a busy machine the policy may fall silent for longer than its lease: arm again.
        if observer.mode != 'policy':
            answer = observer.arm()
        time.sleep(0.2)
    assert is_planning(observer), (answer.message, observer.mode, observer.statuses)


def moved_after(commands, moment):
    """Largest distance [m] between the command in force at `moment` and any later one."""
    late = [value for stamp, value in commands if stamp >= moment]
    return max((np.abs(value[:3] - late[0][:3]).max() for value in late), default=0.0)


def test_policy_killed_and_restarted(domain, tmp_path):
    cell = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    with graph_of(cell, domain, tmp_path) as (graph, observer):
        start_policy(observer)
        time.sleep(1.0)
        policy = graph.processes['policy']
        os.kill(policy.pid, signal.SIGKILL)
        killed = time.monotonic()
        policy.wait()
        observer.wait_for(lambda: observer.mode == 'holding', 2, 'the arm holds')
        held = observer.modes[-1][0] - killed
        # Half a second on two noisy cores; the goal is 0.3 s.
        assert held < 0.5
        time.sleep(1.0)
        assert moved_after(observer.commands, killed + 0.6) == 0.0
        assert 'policy is gone' in observer.statuses['executor/mode']
        refused = observer.arm()
        assert not refused.success
        assert 'arm once it has been started again' in refused.message

        again = running([cell[-1]], tmp_path / 'again', domain)
        observer.statuses.pop('inference')
        with again:
            observer.wait_for(
                lambda: observer.statuses.get('inference') == 'warm', START_S, 'policy is back'
            )
            back = time.monotonic()
            time.sleep(0.5)
            assert observer.mode != 'policy'  # nothing moves before the re-arm
            assert moved_after(observer.commands, back) == 0.0
            if observer.mode == 'holding':  # a busy machine may have lost the link meanwhile
                arm_policy(observer)


def test_sim_killed(domain, tmp_path):
    cell = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    with graph_of(cell, domain, tmp_path) as (graph, observer):
        start_policy(observer)
        os.kill(graph.processes['sim'].pid, signal.SIGKILL)
        observer.wait_for(lambda: observer.mode == 'fault', 3, 'the executor reports the link')
        observer.wait_for(
            lambda: 'link' in observer.statuses.get('executor/mode', ''), 2, 'the link is named'
        )
        executor = graph.processes['executor']
        executor.send_signal(signal.SIGINT)
        begun = time.monotonic()
        executor.wait(10)
        assert time.monotonic() - begun < 3.0


def chunk_near(observer, waypoints):
    start = time.time_ns() + 300_000_000
    stamps = tuple(start + i * 100_000_000 for i in range(len(waypoints)))
    return convert.cartesian_chunk_message(ActionChunk(stamps, waypoints))


@pytest.mark.parametrize('fault', ['nan', 'length', 'frame'])
def test_malformed_chunks_hold_the_arm(domain, tmp_path, fault):
    *cell, _ = bringup.simulated_cell(bringup.shipped('state'), address=free_address())
    # Without the policy: the test is the policy.
    with graph_of(cell, domain, tmp_path) as (_, observer):
        observer.wait_for(lambda: observer.mode == 'idle', START_S, 'executor is active')
        answer = observer.arm()
        assert answer.success, answer.message
        observer.wait_for(lambda: observer.commands, 5, 'the arm is fed')
        here = observer.commands[-1][1]
        waypoints = np.repeat(here[None], 8, axis=0)
        message = chunk_near(observer, waypoints)
        if fault == 'nan':
            message.points[3].transforms[0].translation.x = float('nan')
            expected = 'NaN'
        elif fault == 'length':
            message.points[2].transforms.append(message.points[2].transforms[0])
            expected = 'one transform'
        else:
            message.header.frame_id = 'world'
            expected = "frame 'base'"
        observer.chunk_out.publish(message)
        observer.wait_for(lambda: observer.mode == 'holding', 3, 'the arm holds')
        observer.wait_for(
            lambda: expected in observer.statuses.get('executor/mode', ''), 2, f'{expected} named'
        )
        assert moved_after(observer.commands, 0.0) < 1e-9


def test_silent_robot_then_configured_again(domain, tmp_path):
    address = free_address()
    task, robot = (
        share('config', 'tasks', 'pusht_cell.yaml'),
        share('config', 'robots', 'ur5e_sim.yaml'),
    )
    parameters = {'task': task, 'robot': robot, 'address': address, 'autostart': False}
    executor = [Process('executor', parameters)]
    with graph_of(executor, domain, tmp_path) as (_, observer):
        begun = time.monotonic()
        assert not observer.change_state('executor', Transition.TRANSITION_CONFIGURE)
        assert time.monotonic() - begun < 5.0 + START_S / 2  # the process' own start counts, too
        observer.wait_for(
            lambda: address in observer.statuses.get('executor', ''), 3, 'the address is named'
        )
        assert observer.lifecycle_state('executor') == 'unconfigured'
        with Peer(address=address):
            assert observer.change_state('executor', Transition.TRANSITION_CONFIGURE)
            assert observer.lifecycle_state('executor') == 'inactive'


def run_module(name, parameters, domain):
    process = Process(name, parameters)
    variables = {**os.environ, **environment(), 'ROS_DOMAIN_ID': str(domain)}
    variables.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    return subprocess.run(
        process.command(), env=variables, capture_output=True, text=True, timeout=60
    )


def test_checkpoint_of_another_task_is_refused(domain, tmp_path):
    checkpoint = tmp_path / 'other'
    shutil.copytree(share('models', 'pusht_cell'), checkpoint)
    task = share('config', 'tasks', 'two_arcs.yaml')
    done = run_module('policy', {'task': task, 'checkpoint': checkpoint}, domain)
    assert done.returncode == os.EX_CONFIG
    assert 'pusht_cell' in done.stderr
    assert 'two_arcs' in done.stderr
    assert 'Traceback' not in done.stderr


def test_port_in_use_is_named(domain):
    with Peer() as peer:
        done = run_module('sim', {'address': peer.address}, domain)
    assert done.returncode == os.EX_CONFIG
    assert peer.address in done.stderr
    assert 'Traceback' not in done.stderr
