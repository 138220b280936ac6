"""dp-ros robot, and the calls that arm, hold and release its arm, as a person types them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dp_ros.paths import share
from tests.loopback import free_address

pytestmark = pytest.mark.timeout(180)
DP_ROS = [sys.executable, '-m', 'dp_ros.cli']
START_S = 60.0


@pytest.fixture
def robot_file(tmp_path):
    """The simulated robot on an address of its own."""
    text = share('config', 'robots', 'ur5e_sim.yaml').read_text()
    assert text.count('127.0.0.2') == 1
    path = tmp_path / 'robot.yaml'
    path.write_text(text.replace('127.0.0.2', free_address()))
    return path


def test_a_robot_is_run_armed_held_and_released_from_the_command_line(
    domain, tmp_path, robot_file
):
    variables = os.environ | {'ROS_DOMAIN_ID': str(domain)}

    def call(what):
        return subprocess.run(
            [*DP_ROS, what], env=variables, capture_output=True, text=True, timeout=60
        )

    arguments = ['--robot', robot_file, '--task', 'pusht_cell', '-o', tmp_path / 'out']
    policy = ['--checkpoint', share('models', 'pusht_cell')]
    said = tmp_path / 'said.txt'
    with said.open('w') as log:
        program = subprocess.Popen(
            [*DP_ROS, 'robot', *map(str, [*arguments, *policy])],
            env=variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_S
        while (armed := call('arm')).returncode and time.monotonic() < deadline:
            time.sleep(0.5)
        assert armed.stdout.strip() == 'the policy commands the arm', armed.stderr
        time.sleep(1.0)
        refused = call('arm')
        assert refused.returncode == 1
        assert 'the policy already commands the arm' in refused.stderr
        assert call('hold').stdout.strip() == 'the arm is holding'
        assert call('release').stdout.strip() == 'the arm is idle'
        refused = call('recover')
        assert refused.returncode == 1
        assert 'cannot recover in mode idle' in refused.stderr
        assert program.poll() is None
    finally:
        program.send_signal(signal.SIGINT)
        code = program.wait(30)
    assert code == 0
    text = said.read_text()
    assert 'Nothing moves before it is armed' in text
    assert 'everything has stopped' in text


def test_without_an_executor_a_call_is_a_sentence(domain):
    variables = os.environ | {'ROS_DOMAIN_ID': str(domain)}
    done = subprocess.run(
        [*DP_ROS, 'hold'], env=variables, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert 'no executor: /executor/hold did not appear' in done.stderr
    assert 'Traceback' not in done.stderr


def test_a_robot_without_the_cameras_of_its_task_is_a_sentence(tmp_path, robot_file):
    robot_file.write_text(robot_file.read_text().replace('wrist: {driver', 'hand: {driver'))
    done = subprocess.run(
        [*DP_ROS, 'robot', '--robot', robot_file, '--task', 'pusht_cell_image', '-o', tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "['wrist'] missing" in done.stderr
