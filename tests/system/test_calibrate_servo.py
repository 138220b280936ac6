"""dp-ros calibrate servo on a simulated controller, whose servo's lag is known."""

import contextlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from dp_ros.nodes.wave import FREQUENCIES_HZ
from dp_ros.paths import share
from dp_ros.robot import load_robot
from tests.ur_peer import Peer

pytestmark = pytest.mark.timeout(180)
# From a tick's command to the state that a later tick reads: a control period of the controller
# and one of the executor, each on average half of one and at most a whole one.
PIPELINE_S = 0.010


def run(robot, domain, out, *options):
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
    command = [sys.executable, '-m', 'dp_ros.cli', 'calibrate', 'servo', str(robot)]
    return subprocess.run(
        [*command, '-o', str(out), *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
    )


def robot_at(address, tmp_path):
    """A robot file without cameras, whose workspace is as wide as the arm reaches."""
    text = share('config', 'robots', 'ur5e_sim.yaml').read_text()
    text = text[: text.index('cameras:')].replace('127.0.0.2', address)
    text = text.replace('[0.19, -0.27, 0.0]', '[-1.0, -1.0, -0.5]')
    path = tmp_path / 'my robot.yaml'
    path.write_text(text.replace('[0.73, 0.27, 0.40]', '[1.0, 1.0, 1.5]'))
    return path


@contextlib.contextmanager
def controller():
    """One that moves the arm by its servo's filter alone, and keeps its time if it may."""
    with Peer() as peer:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(peer.pid, os.SCHED_FIFO, os.sched_param(10))
        yield peer


def test_the_known_lag_is_found_and_the_lead_is_written(domain, tmp_path):
    with controller() as peer:
        robot = robot_at(peer.address, tmp_path)
        done = run(robot, domain, tmp_path / 'out', '--seconds', '6', '--write')
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / 'out' / 'servo_0.json').read_text())
    settings = load_robot(robot)
    omega = 2 * np.pi * np.array(FREQUENCIES_HZ)
    delays = np.arctan(omega * settings.arm.lookahead_s) / omega
    assert figures['lag_s'] == pytest.approx(delays.mean() + PIPELINE_S, abs=0.010), done.stdout
    assert figures['agreement'] > 0.99
    assert settings.arm.lead_s == pytest.approx(figures['lag_s'], abs=0.001)
    assert '# Two noisy cores simulate' in robot.read_text()
    assert (tmp_path / 'out' / 'servo.png').stat().st_size > 10_000
    assert 'leave its lead at 0' in ' '.join(done.stdout.split())


def test_a_running_executor_cannot_be_swept(domain, tmp_path):
    robot = robot_at('127.0.0.2', tmp_path)
    done = run(robot, domain, tmp_path / 'out', '--attach', '--lookahead', '0.05')
    assert done.returncode == 1
    assert 'leave out --lookahead' in ' '.join(done.stderr.split())
    assert 'Traceback' not in done.stderr
