"""Functions of tensors on a GPU, recorded once: one launch instead of one for each operation."""

from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

Capture = Callable[[Callable[[], Tensor]], tuple[Callable[[], object], Tensor]]
"""Run a function once for good: what runs it again, and the tensor that then holds its result."""

# Before a recording, as torch's notes on CUDA graphs ask: libraries choose their kernels in them.
WARMING = 3


@dataclass(frozen=True)
class _Recording:
    inputs: tuple[Tensor, ...]
    replay: Callable[[], object]
    output: Tensor


class Recorder:
    """`recorder(key, function, *tensors)` is function(*tensors), from a recording where it can be.

    The first call with a key records; its memory stays, and later calls take no more. A function
    of one key must do the same with every input: its tensors keep their shapes, nothing in it
    reads a tensor back, and nothing comes from the CPU. Not for several threads.
    """

    def __init__(self, capture: Capture | None = None) -> None:
        self._capture = cuda_graph if capture is None else capture
        self._recordings: dict[Hashable, _Recording] = {}

    def __len__(self) -> int:
        return len(self._recordings)

    def __call__(self, key: Hashable, function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        """The result is valid until the next call with this key. Raises ValueError for shapes."""
        known = self._recordings.get(key)
        if known is None:
            known = self._recordings[key] = self._record(function, tensors)
        expected = [tuple(tensor.shape) for tensor in known.inputs]
        found = [tuple(tensor.shape) for tensor in tensors]
        if found != expected:
            raise ValueError(f'{key} was recorded with shapes {expected}, not {found}')
        for kept, tensor in zip(known.inputs, tensors, strict=True):
            kept.copy_(tensor)
        known.replay()
        return known.output

    def _record(self, function: Callable[..., Tensor], tensors: tuple[Tensor, ...]) -> _Recording:
        inputs = tuple(tensor.detach().clone() for tensor in tensors)
        device = inputs[0].device
        with torch.cuda.device(device) if device.type == 'cuda' else nullcontext():
            return _Recording(inputs, *self._capture(lambda: function(*inputs)))


def cuda_graph(function: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
    """Capture into a CUDA graph, on the current device."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARMING):
            function()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = function()
    return graph.replay, output
