"""The policy on another machine, as far as network namespaces can play one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / 'scripts' / 'two_machines.py'


def may_make_namespaces():
    try:
        subprocess.run(['ip', 'netns', 'add', 'dp_ros_may_i'], check=True, capture_output=True)
        subprocess.run(['ip', 'netns', 'delete', 'dp_ros_may_i'], check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_policy_across_the_network_commands_the_arm(tmp_path, domain):
    if shutil.which('unshare') is None or not may_make_namespaces():
        pytest.skip('network namespaces need root and iproute2')
    ran = subprocess.run(
        [sys.executable, SCRIPT, '-o', tmp_path],
        env={k: v for k, v in os.environ.items() if k != '_ROS_WHEELS_BOOTSTRAP_COMPLETE'},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert 'episode 1/1: seed 2000' in ran.stdout
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['chunk']['count'] > 0
