"""Where a policy computes, and what is said where it cannot; test_engine.py runs it there."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dp_ros.learning.onnx_network import exported
from dp_ros.learning.openvino_network import OpenVinoNetwork
from dp_ros.learning.place import Place, place
from dp_ros.learning.precision import Precision


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


def test_a_gpu_fetches_what_it_is_given_from_memory_that_stays_in_its_place(monkeypatch):
    done = []
    monkeypatch.setattr(torch.Tensor, 'pin_memory', lambda self: done.append('pinned') or self)
    monkeypatch.setattr(torch.Tensor, 'to', lambda self, *_, **how: done.append(how) or self)
    there = Place(SimpleNamespace(type='cuda'), Precision.float32)
    assert there.tensor(np.ones((2, 3))[:, ::2]).shape == (2, 2)
    assert done == ['pinned', {'non_blocking': True}]


def test_on_a_cpu_nothing_is_copied():
    array = np.ones(3, np.float32)
    tensor = Place(torch.device('cpu'), Precision.float32).tensor(array)
    array[0] = 5
    assert tensor[0] == 5
