"""Training on several GPUs or machines: what torchrun starts, and the mean over its processes."""

import hashlib
import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class Peers:
    """This process among those that train one policy: `rank` of `count`; the first one reports."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes, validates and reports for all."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of one type by their mean over all processes, in one exchange."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.count
        for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def agree(self, what: str) -> bool:
        """Whether all processes say the same here."""
        if self.count == 1:
            return True
        # Not as objects: torch sends those in a form that may run code.
        digest = bytearray(hashlib.sha256(what.encode()).digest())
        device = 'cuda' if distributed.get_backend() == 'nccl' else 'cpu'
        said = torch.frombuffer(digest, dtype=torch.int64).to(device, copy=True)
        least, most = said.clone(), said.clone()
        distributed.all_reduce(least, distributed.ReduceOp.MIN)
        distributed.all_reduce(most, distributed.ReduceOp.MAX)
        return torch.equal(least, most)

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.count > 1:
            distributed.barrier()


ALONE = Peers()


def own_device(device: str) -> str:
    """`device`, or of several GPUs the one that torchrun means for this process."""
    local = os.environ.get('LOCAL_RANK')
    return f'cuda:{local}' if device == 'cuda' and local is not None else device


@contextmanager
def joined(device: str) -> Iterator[Peers]:
    """The processes of torchrun, joined while the context lasts; alone outside torchrun."""
    if 'RANK' not in os.environ or os.environ.get('WORLD_SIZE', '1') == '1':
        yield ALONE
        return
    # torch's optimisers import it at their first step. Some of its modules have the process group
    # of that moment as a default argument, so the group and its threads would outlive `joined`,
    # and now and then abort a process that is already done.
    importlib.import_module('torch._dynamo')
    if torch.device(device).type == 'cuda':
        torch.cuda.set_device(torch.device(device))
        distributed.init_process_group('nccl')
    else:
        distributed.init_process_group('gloo')
    try:
        yield Peers(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
