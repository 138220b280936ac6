"""The machine that a training run uses: device, threads, and the processes of torchrun."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dp_ros.learning import distributed
from dp_ros.learning.job import Machine


@contextmanager
def machine(device: str, threads: int, workers: int) -> Iterator[Machine]:
    """Device, reading processes and peers; raises ValueError for a device that is not there."""
    torch.set_num_threads(threads)
    if torch.device(device).type == 'cuda' and not torch.cuda.is_available():
        raise ValueError(f'device {device!r} was asked for, but torch sees no GPU; use cpu')
    own = distributed.own_device(device)
    with distributed.joined(own) as peers:
        yield Machine(own, workers, peers)
