"""The environment that ROS needs, set before anything imports rclpy."""

import contextlib
import fcntl
import os
import random
import sys
import tempfile
from pathlib import Path

import pytest

from dp_ros import cli
from dp_ros.ros_process import environment

os.environ.update(environment())

# Tests of running processes, which share two noisy cores with each other: one that fails is run
# once more, and the report counts it (R). They lie in these folders, or have a ROS domain.
RERUN = {'nodes', 'system'}
DOMAINS = {'domain', 'session_domain'}


def pytest_collection_modifyitems(items):
    for item in items:
        if RERUN & set(item.path.parts) or DOMAINS & set(item.fixturenames):
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=1))


@contextlib.contextmanager
def reserved_domain():
    """A ROS_DOMAIN_ID that no other test uses now, in this run or in another one here."""
    locks = Path(tempfile.gettempdir()) / f'dp_ros_domains_{os.getuid()}'
    locks.mkdir(exist_ok=True)
    # 101 domains are free of port conflicts on every system (ROS 2, "The ROS_DOMAIN_ID").
    for number in random.SystemRandom().sample(range(1, 102), 101):
        with (locks / str(number)).open('w') as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield number
            return
    pytest.fail('every ROS domain is taken by a running test')


@pytest.fixture
def domain(monkeypatch):
    """A ROS_DOMAIN_ID that no other test uses now, in this run or in another one here."""
    with reserved_domain() as number:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(number))
        yield number


@pytest.fixture(scope='session')
def session_domain():
    """The same, for graphs that several tests share."""
    with reserved_domain() as number:
        yield number


@pytest.fixture
def program(monkeypatch, capsys):
    """dp-ros in this process: arguments -> (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['dp-ros', *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


@pytest.fixture
def dp_ros(program):
    """dp-ros in this process: arguments -> (exit code, what it printed, without line ends)."""

    def run(*arguments):
        code, out, err = program(*arguments)
        return code, ' '.join((out + err).split())

    return run


@pytest.fixture
def fails(program):
    """Runs dp-ros and returns the sentence that it ends with."""

    def run(*arguments):
        code, out, err = program(*arguments)
        assert code == 1
        assert 'Traceback' not in out + err
        assert err.startswith('error: ')
        return err.removeprefix('error: ').strip()

    return run
