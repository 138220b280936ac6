"""The graph as a list, and its processes as a launch file and a shell would start them."""

import ast
import os
import socket
import time

import pytest

from dp_ros import bringup
from dp_ros.commands.demo import PORTS, free_address
from dp_ros.paths import share


def test_the_demo_is_the_cell_and_a_conductor(tmp_path):
    graph = bringup.demo(tmp_path, episodes=2, seed=7)
    assert [p.executable for p in graph] == ['sim', 'executor', 'policy', 'rollout']
    assert [p.leads for p in graph] == [False, False, False, True]
    assert graph[:3] == bringup.simulated_cell()
    assert 'seed:=7' in graph[-1].command()


def test_the_launch_file_starts_what_the_demo_starts():
    """launch is not on PyPI: the file is read, and must name no process of its own."""
    tree = ast.parse(share('launch', 'sim.launch.py').read_text())
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    nodes = [c for c in calls if getattr(c.func, 'id', '') == 'Node']
    assert len(nodes) == 1
    keywords = {k.arg: ast.unparse(k.value) for k in nodes[0].keywords}
    assert keywords['executable'] == 'process.executable'
    assert any(ast.unparse(c.func) == 'bringup.demo' for c in calls)


def test_a_process_that_dies_is_named_with_its_last_words(tmp_path, domain):
    bad = bringup.Process('sim', {'series': 'PLC'})
    leader = bringup.Process('rollout', {'out': tmp_path}, leads=True)
    with (
        bringup.running([bad, leader], tmp_path / 'logs', domain) as graph,
        pytest.raises(bringup.GraphError, match=r"(?s)'sim' ended.*PLC"),
    ):
        graph.wait(40)


def test_every_process_is_gone_afterwards(tmp_path, domain):
    with bringup.running(bringup.simulated_cell()[1:2], tmp_path / 'logs', domain) as graph:
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
