"""Where a policy computes: a device of torch, and on a CPU the runtime of its exported graphs."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from dp_ros.learning.onnx_network import Array, OnnxNetwork

OPENVINO = 'openvino'


Network = Callable[..., Array]
"""An exported graph, ready to run: inputs in the order of the examples -> the first output."""


@dataclass(frozen=True)
class Place:
    """network: makes what runs a graph; None where torch itself computes on `device`."""

    device: torch.device
    network: Callable[[bytes], Network] | None = None


def place(name: str) -> Place:
    """`cpu` (ONNX Runtime), `openvino` (the same CPU), or a device of torch such as `cuda:1`.

    An empty name stands for a GPU where torch sees one, else the CPU. Raises ImportError where
    OpenVINO is not installed, RuntimeError if torch does not know the device, and ValueError where
    it is not there.
    """
    if name == OPENVINO:
        # An extra: most machines do not have it.
        from dp_ros.learning.openvino_network import OpenVinoNetwork

        return Place(torch.device('cpu'), OpenVinoNetwork)
    device = torch.device(name or ('cuda' if torch.cuda.is_available() else 'cpu'))
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise ValueError(
            f'device {name!r} was asked for, but torch sees no GPU; use device cpu, or install a '
            f'CUDA build of torch'
        )
    return Place(device, OnnxNetwork if device.type == 'cpu' else None)
