"""One optimiser step: AdamW with warm-up and cosine decay, mixed precision, gradients in parts."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dp_ros.learning.distributed import Peers
from dp_ros.learning.recipe import Optimiser

_TYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16}


@dataclass(frozen=True)
class Learned:
    """Parameters that are learned at `scale` times the learning rate, and decay or do not."""

    parameters: Sequence[nn.Parameter]
    scale: float = 1.0
    decays: bool = True


def trainable(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """Those that are not frozen."""
    return [p for p in parameters if p.requires_grad]


def learning_rate(step: int, optimiser: Optimiser) -> float:
    """Learning rate at `step`: linear warm-up, then half a cosine down to zero."""
    if step < optimiser.warmup:
        return optimiser.learning_rate * (step + 1) / optimiser.warmup
    rest = max(1, optimiser.steps - optimiser.warmup)
    progress = (step - optimiser.warmup) / rest
    return optimiser.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class Descent:
    """Optimiser of `learned` on `device`; what is not among them gets no gradient and no decay.

    Raises ValueError for a precision that the device is no faster in.
    """

    def __init__(
        self, learned: Sequence[Learned], settings: Optimiser, device: str, peers: Peers
    ) -> None:
        self._device, self._settings, self._peers = torch.device(device), settings, peers
        if settings.precision != 'float32' and self._device.type != 'cuda':
            raise ValueError(
                f'optimiser.precision {settings.precision} is for GPUs; on {device} it is slower '
                f'than float32: leave it out of the recipe, or train on cuda'
            )
        groups: list[dict[str, Any]] = [
            {
                'params': list(of.parameters),
                'scale': of.scale,
                'weight_decay': settings.weight_decay if of.decays else 0.0,
            }
            for of in learned
        ]
        self.optimiser = torch.optim.AdamW(
            [group for group in groups if group['params']],
            lr=settings.learning_rate,
            betas=settings.betas,
            # One kernel for all: a seventh of the time on a CPU.
            fused=self._device.type in ('cpu', 'cuda'),
        )
        self.scaler = torch.amp.GradScaler('cuda', enabled=settings.precision == 'fp16')

    def step(self, number: int, parts: Sequence[Callable[[], Tensor]]) -> float:
        """Optimiser step `number`, counted from 0; returns the loss.

        parts: each gives the mean loss of an equal part of this process's share of the batch.
        """
        rate = learning_rate(number, self._settings)
        for group in self.optimiser.param_groups:
            group['lr'] = rate * group['scale']
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self._device)
        for part in parts:
            with self._precision():
                loss = part() / len(parts)
            self.scaler.scale(loss).backward()  # adds to the gradients
            total += loss.detach()
        self._peers.average([total, *(p.grad for p in self._parameters() if p.grad is not None)])
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self._parameters(), self._settings.gradient_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return total.item()

    def _parameters(self) -> Iterator[nn.Parameter]:
        for group in self.optimiser.param_groups:
            yield from group['params']

    def _precision(self) -> AbstractContextManager[object]:
        if self._settings.precision == 'float32':
            return nullcontext()
        return torch.autocast(self._device.type, _TYPES[self._settings.precision])
