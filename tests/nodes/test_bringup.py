"""The graph as a list, and its processes as a launch file and a shell would start them."""

import ast
import os
import socket
import time
from pathlib import Path

import pytest

from dp_ros import bringup
from dp_ros.commands.demo import PORTS, free_address
from dp_ros.paths import share
from dp_ros.ros_process import Process
from dp_ros.running import GraphError, running


@pytest.mark.parametrize(('policy', 'cameras'), [('state', []), ('image', ['overhead', 'wrist'])])
def test_the_demo_is_the_cell_what_the_policy_sees_and_a_conductor(tmp_path, policy, cameras):
    chosen = bringup.shipped(policy)
    graph = bringup.demo(tmp_path, episodes=2, seed=7, policy=chosen)
    assert [p.name for p in graph] == ['sim', *cameras, 'executor', 'policy', 'manager', 'rollout']
    assert [p.name for p in graph if p.leads] == ['rollout']
    assert graph[:-1] == bringup.supervised(bringup.simulated_cell(chosen))
    assert 'seed:=7' in graph[-1].command()
    for process in graph[1:-4]:
        assert process.executable == 'camera'
        assert f'__node:={process.name}' in process.command()


def test_experiments_with_planning_reach_the_policy_alone(tmp_path):
    chosen = bringup.planning('fade', 200, wait=True, device='cuda:1')
    graph = bringup.demo(tmp_path, policy=bringup.shipped('state'), planning=chosen)
    (policy,) = [p for p in graph if p.name == 'policy']
    command = policy.command()
    assert {'transition:=fade', 'device:=cuda:1', 'added_latency_ms:=200.0', 'wait:=true'} <= set(
        command
    )
    assert not any('wait' in part for p in graph if p is not policy for part in p.command())
    assert bringup.planning() == {}


def test_a_robot_without_the_cameras_of_the_task_is_refused(tmp_path):
    text = share('config', 'robots', 'ur5e_sim.yaml').read_text()
    robot = tmp_path / 'robot.yaml'
    robot.write_text(text.replace('  wrist: {', '  hand: {'))
    with pytest.raises(ValueError, match=r'overhead.*wrist.*hand'):
        bringup.simulated_cell(bringup.shipped('image'), robot)


def calls_in(path):
    return [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]


@pytest.mark.parametrize(
    ('name', 'graph'),
    [('sim', 'demo'), ('robot', 'robot'), ('record', 'record'), ('replay', 'replay')],
)
def test_a_launch_file_starts_what_bringup_says(name, graph):
    """launch is not on PyPI: the files are read, and must name no process of their own."""
    calls = calls_in(share('launch', f'{name}.launch.py'))
    names = [ast.unparse(call.func) for call in calls]
    assert f'bringup.{graph}' in names
    assert 'launching.description' in names
    assert 'Node' not in names


def test_every_process_of_a_graph_becomes_a_node():
    calls = calls_in(launching_file())
    (node,) = [call for call in calls if getattr(call.func, 'id', '') == 'Node']
    keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
    assert keywords['executable'] == 'process.executable'
    assert keywords['name'] == 'process.node or None'
    assert keywords['respawn'] == 'process.restarted'


def launching_file():
    return Path(bringup.__file__).with_name('launching.py')


def test_a_real_robot_has_what_it_was_given(tmp_path):
    task = share('config', 'tasks', 'pusht_cell.yaml')
    robot = share('config', 'robots', 'ur5e_realsense.yaml')
    device = share('config', 'teleop', 'xbox.yaml')
    assert [p.name for p in bringup.robot(robot, task)] == ['executor', 'manager']
    whole = bringup.robot(robot, task, tmp_path, device)
    assert [p.name for p in whole] == ['executor', 'policy', 'teleop', 'manager']


def test_a_process_that_dies_is_named_with_its_last_words(tmp_path, domain):
    bad = Process('sim', {'series': 'PLC'})
    leader = Process('rollout', {'out': tmp_path}, leads=True)
    with (
        running([bad, leader], tmp_path / 'logs', domain) as graph,
        pytest.raises(GraphError, match=r"(?s)'sim' ended.*PLC"),
    ):
        graph.wait(40)


def test_every_process_is_gone_afterwards(tmp_path, domain):
    with running(bringup.simulated_cell()[-2:-1], tmp_path / 'logs', domain) as graph:
        time.sleep(1.0)
        processes = list(graph.processes.values())
    for process in processes:
        assert process.poll() is not None
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


def test_no_free_loopback_port_is_a_sentence():
    with socket.create_server(('127.0.0.77', PORTS[0])):
        assert free_address(range(77, 79)) == '127.0.0.78'
        with pytest.raises(OSError, match=r'29999.*taken.*--address'):
            free_address(range(77, 78))
