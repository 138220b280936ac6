"""Where a policy computes: a device of torch, and on a CPU the runtime of its exported graphs."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dp_ros.learning.onnx_network import Array, OnnxNetwork
from dp_ros.learning.precision import Precision, precision

OPENVINO = 'openvino'


Network = Callable[..., Array]
"""An exported graph, ready to run: inputs in the order of the examples -> the first output."""


@dataclass(frozen=True)
class Place:
    """network: makes what runs a graph; None where torch itself computes on `device`.

    narrow: makes what runs a graph that need not be exact: of less precision, if that was asked.
    """

    device: torch.device
    precision: Precision
    network: Callable[[bytes], Network] | None = None
    narrow: Callable[[bytes], Network] | None = None

    def tensor(self, array: NDArray[Any]) -> Tensor:
        """The array on the device. A GPU fetches it itself, while this thread goes on."""
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == 'cuda':
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    def autocast(self, narrow: bool = True) -> AbstractContextManager[object]:
        """torch's products in bfloat16, if that was asked; not `narrow`: in float32, even so."""
        if self.precision is not Precision.bf16:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=narrow)


def place(name: str, precise: str = 'float32') -> Place:
    """`cpu` (ONNX Runtime), `openvino` (the same CPU), or a device of torch such as `cuda:1`.

    An empty name stands for a GPU where torch sees one, else the CPU. precise: a Precision. Raises
    ImportError where OpenVINO is not installed, RuntimeError if torch does not know the device,
    and ValueError where the device is not there or cannot be as imprecise as that.
    """
    wanted = precision(precise)
    if name == OPENVINO:
        return _openvino(wanted)
    device = torch.device(name or ('cuda' if torch.cuda.is_available() else 'cpu'))
    if device.type == 'cuda':
        if not torch.cuda.is_available():
            raise ValueError(
                f'device {name!r} was asked for, but torch sees no GPU; use device cpu, or '
                f'install a CUDA build of torch'
            )
        _allow_tf32(wanted is not Precision.float32)
    if device.type == 'cpu':
        if wanted is not Precision.float32:
            raise ValueError(
                f'device cpu computes in float32, not in {wanted.value}: leave precision out, or '
                f'choose device openvino (bf16, on CPUs that have it) or a GPU'
            )
        return Place(device, wanted, OnnxNetwork, OnnxNetwork)
    return Place(device, wanted)


def _allow_tf32(allowed: bool) -> None:
    """On GPUs, for this process. torch's own default allows it in convolutions alone."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def _openvino(wanted: Precision) -> Place:
    # An extra: most machines do not have it.
    from dp_ros.learning import openvino_network
    from dp_ros.learning.openvino_network import OpenVinoNetwork

    if wanted is Precision.tf32:
        raise ValueError(
            'tf32 is a precision of GPUs; device openvino takes float32, or bf16 on CPUs that '
            'have it'
        )
    narrow: Callable[[bytes], Network] = OpenVinoNetwork
    if wanted is Precision.bf16:
        openvino_network.require_bfloat16()
        narrow = partial(OpenVinoNetwork, bfloat16=True)
    return Place(torch.device('cpu'), wanted, OpenVinoNetwork, narrow)
