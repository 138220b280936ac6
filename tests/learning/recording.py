"""Stand-ins for a GPU: one that records, one that minds what cannot be, and one that counts."""

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
        if len({tensor.device for tensor in tensors_of((args, kwargs, result))}) > 1:
            raise RuntimeError(f'{operation} takes a tensor of the CPU')
        return result


class Operations(TorchDispatchMode):
    """Counts the operations that compute something: each is at least one kernel of a GPU."""

    count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        given = {tensor.untyped_storage()._cdata for tensor in tensors_of((args, kwargs))}
        made = {tensor.untyped_storage()._cdata for tensor in tensors_of(result)}
        self.count += bool(made - given)
        return result


def tensors_of(values):
    """All tensors somewhere in `values`."""
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
