"""dp-ros latency on the whole graph: latencies that are known are found, and written."""

import os
import subprocess
import sys

import pytest

from dp_ros.paths import share
from dp_ros.robot import load_robot

pytestmark = pytest.mark.timeout(240)
OVERHEAD, WRIST = (f'/{name}/color/image_raw' for name in ('overhead', 'wrist'))


def run(robot, domain, tmp_path, *options):
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
    command = [sys.executable, '-m', 'dp_ros.cli', 'latency', str(robot), '-o', str(tmp_path)]
    return subprocess.run(
        [*command, *options], env=environment, capture_output=True, text=True, timeout=200
    )


def test_injected_latencies_are_recovered_and_written_into_the_robot_file(domain, tmp_path):
    text = share('config', 'robots', 'ur5e_sim.yaml').read_text()
    text = text.replace('view: overhead,', 'view: overhead, stamp_late_s: 0.08,')
    text = text.replace('view: wrist,', 'view: wrist, stamp_late_s: 0.03,')
    robot = tmp_path / 'my robot.yaml'
    robot.write_text(text)
    done = run(robot, domain, tmp_path / 'out')
    assert done.returncode == 0, done.stdout + done.stderr
    found = load_robot(robot).latencies_s
    # 5 ms on a machine that keeps its time; this one simulates the robot beside other tests.
    assert found[OVERHEAD] == pytest.approx(0.08, abs=0.012), done.stdout
    assert found[WRIST] == pytest.approx(0.03, abs=0.012), done.stdout
    assert '# The UR5e of the simulated Push-T cell' in robot.read_text()


def test_a_robot_without_cameras_is_a_sentence(domain, tmp_path):
    text = share('config', 'robots', 'ur5e_sim.yaml').read_text()
    robot = tmp_path / 'blind.yaml'
    robot.write_text(text[: text.index('cameras:')])
    done = run(robot, domain, tmp_path / 'out')
    assert done.returncode == 1
    assert 'names no cameras' in done.stdout + done.stderr
    assert 'Traceback' not in done.stdout + done.stderr
