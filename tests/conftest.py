"""The environment that ROS needs, set before anything imports rclpy."""

import itertools
import os

import pytest

from dp_ros import bringup

os.environ.update(bringup.environment())

_numbers = itertools.count()


@pytest.fixture
def domain(worker_id, monkeypatch):
    """A ROS_DOMAIN_ID that no other test uses now."""
    worker = int(worker_id.removeprefix('gw')) if worker_id != 'master' else 0
    number = 1 + worker % 4 * 25 + next(_numbers) % 25
    monkeypatch.setenv('ROS_DOMAIN_ID', str(number))
    return number
