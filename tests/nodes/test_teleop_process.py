"""The teleop node as a process: killed, and in a terminal of its own."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios
import time

import pytest
from sensor_msgs.msg import Joy

from dp_ros.nodes import convert, topics
from dp_ros.ros_process import Process
from dp_ros.running import running
from tests.nodes.desk import JOY, TASK, Heard, device_file, joint_task
from tests.system.observer import observing


class Listener:
    """Twists that a process says, heard in a thread of its own."""

    def __init__(self, node):
        self.heard = []
        self.node = node
        twist = topics.TELEOP_TWIST
        node.create_subscription(twist.type, twist.name, self._on_twist, twist.qos)
        self.joy = topics.JOY.publisher(node)

    def _on_twist(self, message):
        self.heard.append(Heard.of(message))

    @property
    def quiet_s(self):
        """Time since the last twist."""
        return time.monotonic() - self.heard[-1].time_s

    def hold(self, pressed):
        message = Joy(axes=[1.0] + [0.0] * 5, buttons=[int(pressed)])
        message.header.stamp = convert.time_message(time.time_ns())
        self.joy.publish(message)


def test_a_node_that_is_killed_is_silent(tmp_path, domain):
    path = device_file(tmp_path, JOY)
    graph = [Process('teleop', {'device': path, 'task': TASK})]
    with running(graph, tmp_path / 'logs', domain) as processes, observing(domain) as node:
        listener = Listener(node)
        node.wait_for(
            lambda: listener.hold(False) or node.statuses.get('teleop') == 'ready', 20, 'ready'
        )
        node.wait_for(lambda: listener.hold(True) or len(listener.heard) > 20, 10, 'twists')
        process = processes.processes['teleop']
        process.kill()
        process.wait()
        time.sleep(0.1)
        count = len(listener.heard)
        for _ in range(10):
            listener.hold(True)
            time.sleep(0.03)
        assert len(listener.heard) == count


@contextlib.contextmanager
def in_terminal(domain, *arguments):
    """dp-ros in a terminal of its own; yields the process, our end, and the terminal's file."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain), 'TERM': 'xterm', 'COLUMNS': '100'}
    environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    # setsid makes this terminal the one that /dev/tty means.
    take = 'import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); '
    take += 'os.execv(sys.executable, [sys.executable, *sys.argv[1:]])'
    process = subprocess.Popen(
        [sys.executable, '-c', take, '-m', 'dp_ros.cli', 'teleop', *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    try:
        yield process, ours, theirs
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize('ended', [signal.SIGTERM, 'Ctrl-C'])
def test_keys_of_a_plain_terminal_move_and_it_is_put_back(domain, ended):
    arguments = ('--device', 'keyboard', '--task', 'pusht_cell')
    with in_terminal(domain, *arguments) as (process, ours, theirs), observing(domain) as node:
        before = termios.tcgetattr(theirs)
        listener = Listener(node)
        node.wait_for(lambda: node.statuses.get('teleop') == 'ready', 30, 'ready')
        assert node.values['teleop']['device'] == 'keyboard: keyboard on /dev/tty'
        assert not termios.tcgetattr(theirs)[3] & termios.ICANON
        os.write(ours, b'w')
        node.wait_for(lambda: any(one.twist[0] > 0 for one in listener.heard), 2, 'a twist')
        node.wait_for(lambda: listener.quiet_s > 1.0, 10, 'silence')
        # A tap: forward for a moment, standing still as long as the person is in command, the end.
        speeds = [one.twist[0] for one in listener.heard]
        assert speeds[0] > 0
        assert max(speeds) == pytest.approx(0.05)
        step_m = sum(speeds) * 0.02
        assert 0.002 < step_m < 0.01
        assert listener.heard[-1].still
        # 0.7 s; a machine that stalls makes it longer.
        assert 0.5 < listener.heard[-1].time_s - listener.heard[0].time_s < 2.0
        said = os.read(ours, 10_000).decode()
        assert 'w s' in said
        assert 'fixed by the task' in said
        if ended == 'Ctrl-C':
            os.write(ours, b'\x03')
        else:
            process.send_signal(ended)
        assert process.wait(10) == 0
        assert termios.tcgetattr(theirs) == before


def test_the_program_refuses_what_cannot_work(fails, tmp_path):
    assert 'neither a file nor one of: joy_scripted, keyboard' in fails(
        'teleop', '--device', 'wheel', '--task', 'pusht_cell'
    )
    joint = joint_task(tmp_path)
    assert 'has joint actions' in fails('teleop', '--device', 'xbox', '--task', joint)
