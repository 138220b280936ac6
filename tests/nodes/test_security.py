"""The SROS2 policy, and that nothing starts in the clear where security is asked for."""

import os
import subprocess
from pathlib import Path

import pytest

from dp_ros import ros_process
from dp_ros.data import topic_names
from dp_ros.nodes import security, topics
from dp_ros.paths import share
from dp_ros.ros_process import Process

TEXT = share('config', 'security', 'policy.xml').read_text()
GRANTED = security.granted(TEXT)
ENDPOINTS = {(node, e) for nodes in GRANTED.values() for node, used in nodes.items() for e in used}


def those(right, name):
    return {node for node, e in ENDPOINTS if e.right == right and e.name == name}


def test_the_file_is_as_the_script_writes_it():
    assert security.policy(GRANTED) == TEXT
    assert security.differences(TEXT, TEXT) == []


def test_every_topic_of_the_table_is_granted_to_somebody():
    names = {v for k, v in vars(topic_names).items() if k.isupper()}
    assert {name for name in names if not those('publish', name)} == set()


def test_only_the_executor_and_those_who_plan_reach_the_arm():
    for name in (topics.MODE.name, topics.CARTESIAN_COMMAND.name):
        assert those('publish', name) == {'executor'}
    assert those('publish', topics.TELEOP_TWIST.name) == {'teleop'}
    planners = {'inference', 'latency', 'calibrate_servo'}
    assert those('publish', topics.CARTESIAN_CHUNK.name) <= planners
    for name in (topics.ARM_SERVICE, topics.HOLD_SERVICE):
        assert those('reply', name) == {'executor'}


def test_a_folder_that_is_no_keystore_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match='no keystore'):
        ros_process.security(tmp_path)


def test_without_security_in_the_middleware_nothing_starts_in_the_clear(domain, tmp_path):
    library = Path(os.environ.get('AMENT_PREFIX_PATH', '')) / 'lib' / 'libfastdds.so'
    if not library.is_file() or b'PKI-DH' in library.read_bytes():
        pytest.skip('this middleware has security')
    (tmp_path / 'enclaves').mkdir()
    (tmp_path / 'enclaves' / 'governance.p7s').touch()
    sim = Process('sim', {})
    assert '/dp_ros/sim' in sim.command()
    done = subprocess.run(
        sim.command(),
        env={**os.environ, **ros_process.security(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert 'security' in done.stderr
