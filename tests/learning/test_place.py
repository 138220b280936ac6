"""Where a policy computes, and what is said where it cannot; test_engine.py runs it there."""

import sys

import pytest
import torch

from dp_ros.learning.onnx_network import exported
from dp_ros.learning.openvino_network import OpenVinoNetwork
from dp_ros.learning.place import place


def test_a_network_that_openvino_computes_wrongly_is_refused(monkeypatch):
    layer = torch.nn.Linear(2, 2)
    graph = exported(layer, {'x': torch.zeros(1, 2)})
    OpenVinoNetwork(graph)
    answer = OpenVinoNetwork.outputs
    monkeypatch.setattr(
        OpenVinoNetwork, 'outputs', lambda self, *given: [answer(self, *given)[0] + 0.01]
    )
    with pytest.raises(RuntimeError, match=r'wrongly: 0.01 from ONNX Runtime, 0.000.* device cpu'):
        OpenVinoNetwork(graph)


def test_without_openvino_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, 'dp_ros.learning.openvino_network', raising=False)
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(ImportError, match=r"pip install 'dp_ros\[openvino\]', or use device cpu"):
        place('openvino')


@pytest.mark.parametrize(('seen', 'expected'), [(True, 'cuda'), (False, 'cpu')])
def test_unless_told_otherwise_a_policy_computes_on_a_gpu_if_there_is_one(
    monkeypatch, seen, expected
):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: seen)
    assert place('').device.type == expected
