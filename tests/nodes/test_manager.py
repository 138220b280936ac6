"""What the manager is told of its graph; the graph itself runs in tests/system."""

import pytest

from dp_ros import bringup
from dp_ros.core.supervisor import Member
from dp_ros.nodes.manager import members_of
from dp_ros.ros_process import Process

GRAPH = [
    Process('sim'),
    Process('camera', node='wrist'),
    Process('executor'),
    Process('recorder'),
    Process('policy'),
    Process('teleop'),
]


def members(graph):
    *_, manager = bringup.supervised(graph)
    given = manager.parameters
    policy, person = (
        {name for name in given[f'{who}_needs'].split(',') if name}
        for who in ('policy', 'teleoperation')
    )
    return members_of(given['stages'], {'policy': policy, 'teleoperated': person})


def test_a_graph_is_brought_up_from_the_world_to_the_mind():
    policy = frozenset({'policy'})
    assert members(GRAPH) == [
        Member('sim', 0),
        Member('wrist', 1, modes=policy),
        Member('executor', 1),
        Member('recorder', 1),
        Member('observation', 2, modes=policy),
        Member('inference', 2, 'observation', policy),
        Member('teleop', 2, modes=frozenset({'teleoperated'})),
    ]


def test_whatever_is_missing_leaves_the_order_of_the_rest():
    assert [m.name for m in members(GRAPH[2:3])] == ['executor']
    assert [(m.name, m.stage) for m in members(GRAPH[4:])] == [
        ('observation', 0),
        ('inference', 0),
        ('teleop', 0),
    ]


def test_managed_nodes_wait_and_the_others_are_left_alone():
    conductor = Process('rollout', leads=True)
    *graph, manager = bringup.supervised([*GRAPH, conductor])
    assert manager.executable == 'manager'
    assert graph[-1] == conductor
    assert [p.name for p in graph[:-1]] == [p.name for p in GRAPH]
    assert all(p.parameters['autostart'] is False for p in graph[:-1])


def test_a_need_that_is_no_node_is_a_sentence():
    with pytest.raises(ValueError, match=r"mode policy needs \['wirst'\].*\['sim', 'wrist'\]"):
        members_of(['sim', ' wrist '], {'policy': {'wirst'}})
