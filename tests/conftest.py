"""The environment that ROS needs, set before anything imports rclpy."""

import contextlib
import fcntl
import os
import random
import tempfile
from pathlib import Path

import pytest

from dp_ros import bringup

os.environ.update(bringup.environment())


@pytest.fixture
def domain(monkeypatch):
    """A ROS_DOMAIN_ID that no other test uses now, in this run or in another one here."""
    locks = Path(tempfile.gettempdir()) / f'dp_ros_domains_{os.getuid()}'
    locks.mkdir(exist_ok=True)
    # 101 domains are free of port conflicts on every system (ROS 2, "The ROS_DOMAIN_ID").
    for number in random.SystemRandom().sample(range(1, 102), 101):
        with (locks / str(number)).open('w') as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            monkeypatch.setenv('ROS_DOMAIN_ID', str(number))
            yield number
            return
    pytest.fail('every ROS domain is taken by a running test')
