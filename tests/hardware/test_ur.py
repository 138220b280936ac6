"""URArm against the simulated controller; clients that could crash run in a child process."""

import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from dp_ros.core.robot import ArmStatus, Command
from dp_ros.hardware.arm import ArmError
from dp_ros.hardware.ur import URArm
from dp_ros.hardware.ur_probe import DASHBOARD_PORT, RTDE_PORT, SCRIPT_PORT
from tests.loopback import free_address
from tests.ur_peer import ROOT, START_JOINTS, Peer

TCP = (0.0, 0.0, 0.16, 0.0, 0.0, 0.0)


@pytest.fixture(scope='module', params=['e-Series', 'CB3'])
def robot(request):
    with Peer(request.param) as peer:
        arm = URArm(peer.address, tcp_offset=TCP, payload_kg=0.5)
        arm.connect()
        yield peer, arm
        arm.close()


def read_until(arm, condition, limit_s=2.0):
    deadline = time.monotonic() + limit_s
    while not condition(state := arm.read()):
        assert time.monotonic() < deadline, f'waited in vain; status {state.status}'
        time.sleep(0.008)
    return state


def test_reads_a_complete_state(robot):
    _, arm = robot
    first = arm.read()
    assert first.status is ArmStatus.RUNNING
    assert np.allclose(first.joint_positions, START_JOINTS)
    assert np.isclose(np.linalg.norm(first.tcp_pose[3:]), 1.0)
    later = read_until(arm, lambda s: s.controller_time_s > first.controller_time_s)
    assert np.array_equal(later.tcp_pose, first.tcp_pose)


def test_follows_both_spaces_and_holds(robot):
    _, arm = robot
    pose = arm.read().tcp_pose.copy()
    for _ in range(30):
        pose[1] += 0.0005
        arm.send(Command('cartesian', pose))
        arm.read()
        time.sleep(0.008)
    state = read_until(arm, lambda s: np.allclose(s.tcp_pose, pose, atol=1e-5))
    joints = np.add(state.joint_positions, (0, 0, 0, 0, 0, 0.02))
    arm.send(Command('joint', joints))
    read_until(arm, lambda s: np.allclose(s.joint_positions, joints, atol=1e-5))
    arm.send(Command('joint', np.add(joints, (0, 0, 0, 0, 0, 0.1))))
    time.sleep(0.05)
    arm.hold(2.0)
    held = read_until(arm, lambda s: not s.joint_velocities.any())
    assert joints[5] < held.joint_positions[5] < joints[5] + 0.1
    time.sleep(0.15)
    still = arm.read()
    assert still.status is ArmStatus.RUNNING
    assert np.array_equal(still.joint_positions, held.joint_positions)


def test_reading_feeds_the_watchdog_and_silence_trips_it(robot):
    _, arm = robot
    arm.send(Command('joint', arm.read().joint_positions))
    until = time.monotonic() + 0.4
    while time.monotonic() < until:
        assert arm.read().status is ArmStatus.RUNNING
        time.sleep(0.01)
    time.sleep(0.3)
    read_until(arm, lambda s: s.status is ArmStatus.PROGRAM_STOPPED, limit_s=0.5)
    before = arm.read().joint_positions
    arm.connect()
    assert arm.read().status is ArmStatus.RUNNING
    assert np.allclose(arm.read().joint_positions, before)


@pytest.mark.parametrize(
    ('stop', 'status', 'word'),
    [
        ('protective_stop', ArmStatus.PROTECTIVE_STOP, 'PROTECTIVE_STOP'),
        ('safeguard_stop', ArmStatus.SAFEGUARD_STOP, 'SAFEGUARD_STOP'),
        ('emergency_stop', ArmStatus.EMERGENCY_STOP, 'POWER_OFF'),
    ],
)
def test_stops_are_named_and_recovery_does_not_obey_the_old_target(robot, stop, status, word):
    peer, arm = robot
    target = np.add(arm.read().joint_positions, (0.2, 0, 0, 0, 0, 0))
    arm.send(Command('joint', target))
    peer(stop)
    read_until(arm, lambda s: s.status is status)
    with pytest.raises(ArmError, match=word):
        arm.connect()
    peer('release')
    stopped = read_until(
        arm, lambda s: s.status is ArmStatus.PROGRAM_STOPPED and not s.joint_velocities.any()
    )
    arm.connect()
    time.sleep(0.1)
    state = arm.read()
    assert state.status is ArmStatus.RUNNING
    assert np.allclose(state.joint_positions, stopped.joint_positions, atol=1e-9)


def test_what_is_not_a_command_is_refused(robot):
    _, arm = robot
    command = Command('joint', START_JOINTS)
    for values in (np.zeros(5), np.array([0, 0, 0, 0, 0, np.nan])):
        # Past the checks of the constructor, as only a fault in the program could be.
        object.__setattr__(command, 'values', values)
        with pytest.raises(ArmError, match='all finite'):
            arm.send(command)
    with pytest.raises(ArmError, match='positive'):
        arm.hold(0.0)
    assert arm.read().status is ArmStatus.RUNNING


def test_calls_before_connect_are_refused():
    arm = URArm('127.0.0.1')
    arm.close()
    with pytest.raises(ArmError, match='connect'):
        arm.read()
    with pytest.raises(ArmError, match='connect'):
        arm.send(Command('joint', START_JOINTS))


def test_settings_out_of_range_are_refused():
    with pytest.raises(ArmError, match=r'lookahead_s is 0\.5'):
        URArm('127.0.0.1', lookahead_s=0.5)
    with pytest.raises(ArmError, match='six finite'):
        URArm('127.0.0.1', tcp_offset=(0, 0, 0.16))


def test_an_address_without_robot_is_an_error_within_five_seconds():
    start = time.monotonic()
    with pytest.raises(ArmError, match='no UR controller answers'):
        URArm(free_address()).connect()
    assert time.monotonic() - start < 5.0


def test_a_peer_that_accepts_and_says_nothing_is_an_error_within_five_seconds():
    address = free_address()
    listeners = []
    for port in (DASHBOARD_PORT, SCRIPT_PORT, RTDE_PORT):
        listeners.append(socket.create_server((address, port)))
    start = time.monotonic()
    with pytest.raises(ArmError, match='timed out'):
        URArm(address).connect()
    assert time.monotonic() - start < 5.0
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize('fault', ['SIGKILL', 'SIGSTOP'])
def test_a_dead_peer_is_noticed_and_let_go(fault):
    result = subprocess.run(
        [sys.executable, '-c', LOSE, fault],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # ur_rtde prints too.
    (line,) = [line for line in result.stdout.splitlines() if line.startswith('result ')]
    _, lost_s, hold_s, close_s, refused = line.split()
    assert float(lost_s) < 0.2
    assert float(hold_s) < 0.5
    assert float(close_s) < 3.0
    assert refused == 'refused'


LOSE = """
import os, signal, sys, time
from dp_ros.core.robot import ArmStatus, Command
from dp_ros.hardware.arm import ArmError
from dp_ros.hardware.ur import URArm
from tests.ur_peer import Peer

with Peer() as peer:
    arm = URArm(peer.address)
    arm.connect()
    command = Command('joint', arm.read().joint_positions)
    for _ in range(20):
        arm.read()
        arm.send(command)
        time.sleep(0.008)
    start = time.monotonic()
    peer.signal(getattr(signal, sys.argv[1]))
    while arm.read().status is not ArmStatus.LINK_LOST:
        time.sleep(0.002)
    lost_s = time.monotonic() - start
    start = time.monotonic()
    arm.hold(1.0)
    hold_s = time.monotonic() - start
    try:
        arm.send(command)
        refused = 'sent'
    except ArmError:
        refused = 'refused'
    start = time.monotonic()
    arm.close()
    close_s = time.monotonic() - start
    print('result', lost_s, hold_s, close_s, refused, flush=True)
# Whether ur_rtde's destructors survive is not the question here.
os._exit(0)
"""
