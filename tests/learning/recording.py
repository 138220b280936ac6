"""Stand-ins for a GPU: one that records, and one that minds what cannot be recorded."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape:
    """Runs a function again on the tensors it was recorded with, as a CUDA graph does.

    made: how many recordings.
    """

    made = 0

    def __call__(self, function):
        self.made += 1
        output = function()

        def replay():
            output.copy_(function())

        return replay, output


class NothingFromTheCPU(TorchDispatchMode):
    """Raises for an operation that device `meta` and the CPU take part in."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        values = tree_leaves((args, kwargs, result))
        if len({value.device for value in values if isinstance(value, torch.Tensor)}) > 1:
            raise RuntimeError(f'{operation} takes a tensor of the CPU')
        return result
