"""A task whose actions are joint positions, through servoJ, on a CB3 controller at 125 Hz."""

import time

import numpy as np
import pytest
import yaml

from dp_ros.core.stamped import ActionChunk
from dp_ros.data import messages
from dp_ros.nodes import convert, topics
from dp_ros.paths import share
from dp_ros.robot import load_robot
from dp_ros.ros_process import Process
from dp_ros.running import running
from tests.loopback import free_address
from tests.system.observer import observing

pytestmark = pytest.mark.timeout(120)


def test_joint_chunks_move_the_joints(domain, tmp_path):
    robot_file = share('config', 'robots', 'ur5e_sim.yaml')
    joints = list(load_robot(robot_file).arm.joints)
    task = {
        'name': 'joints',
        'rate_hz': 10,
        'horizons': {'observation': 2, 'prediction': 16, 'action': 8},
        'observations': [
            {'type': 'joints', 'name': 'arm', 'topic': '/joint_states', 'components': joints}
        ],
        'action': {'space': 'joint', 'components': joints},
    }
    task_file = tmp_path / 'joints.yaml'
    task_file.write_text(yaml.safe_dump(task))
    address = free_address()
    graph = [
        Process('sim', {'address': address, 'series': 'CB3'}),
        Process('executor', {'task': task_file, 'robot': robot_file, 'address': address}),
    ]
    with (
        running(graph, tmp_path / 'logs', domain),
        observing(domain, topics.JOINT_CHUNK) as observer,
    ):
        states = []
        observer.create_subscription(
            topics.JOINT_STATES.type,
            topics.JOINT_STATES.name,
            lambda m: states.append(messages.joint_sample(m, joints).value),
            topics.SENSOR,
        )
        observer.wait_for(lambda: observer.mode == 'idle' and states, 45, 'executor is active')
        start = states[-1]
        answer = observer.arm()
        assert answer.success, answer.message
        time.sleep(0.3)
        first = time.time_ns() + 200_000_000
        stamps = tuple(first + i * 100_000_000 for i in range(10))
        goal = start + np.array([0, 0, 0, 0, 0, 0.1])
        waypoints = np.linspace(start, goal, 10)
        observer.chunk_out.publish(
            convert.joint_chunk_message(ActionChunk(stamps, waypoints), joints)
        )
        observer.wait_for(lambda: abs(states[-1][5] - goal[5]) < 0.02, 5, 'wrist 3 turns')
        assert np.abs(states[-1][:5] - start[:5]).max() < 0.02
        # Nothing follows the chunk: the arm holds by itself.
        observer.wait_for(lambda: observer.mode == 'holding', 5, 'the arm holds')
