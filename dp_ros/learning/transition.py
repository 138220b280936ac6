"""How a new chunk takes over from the one before: strategies behind one small interface.

A strategy denoises a batch of chunks, given what is committed. All work in the denoiser's terms.
The toy in tests/learning/test_transition.py has an exact score.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dp_ros.learning import sampler
from dp_ros.learning.committed import Committed
from dp_ros.learning.sampler import Denoiser
from dp_ros.learning.schedule import NoiseSchedule, Prediction


@dataclass(frozen=True)
class Denoising:
    """One denoiser with its schedule: what a strategy may use.

    denoise(x, step): (B * n, T_p, A) -> the same shape, n samples of each window next to each
    other; differentiable in x where a strategy asks so.
    """

    denoise: Denoiser
    schedule: NoiseSchedule
    steps: list[int]
    prediction: Prediction
    clip: float | None = 1.0

    def sample(
        self,
        noise: Tensor,
        denoise: Denoiser | None = None,
        constrain: Callable[[int, Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Noise (B * n, T_p, A) -> clean (B * n, T_p, A) by DDIM."""
        return sampler.ddim(
            denoise or self.denoise,
            noise,
            self.schedule,
            self.steps,
            self.prediction,
            self.clip,
            constrain=constrain,
        )


class Transition(Protocol):
    """How a chunk comes to be."""

    @property
    def samples(self) -> int:
        """How many samples n of noise one chunk takes."""

    def __call__(self, denoising: Denoising, noise: Tensor, committed: Committed | None) -> Tensor:
        """Noise (B, n, T_p, A) -> clean chunks (B, T_p, A). Without `committed` they are free."""


@dataclass(frozen=True)
class Switch:
    """The new chunk knows nothing of the one before."""

    samples: int = 1

    def __call__(self, denoising: Denoising, noise: Tensor, committed: Committed | None) -> Tensor:
        return denoising.sample(noise[:, 0])


@dataclass(frozen=True)
class Replacement:
    """What is committed is noised to each step's level and put in place of the sample.

    After RePaint (Lugmayr et al. 2022), without its resampling: a heuristic, for the rest of the
    chunk is denoised as if the prefix had been its own. seed: of the fresh noise.
    """

    soft: bool = True
    seed: int = 0
    samples: int = 1

    def __call__(self, denoising: Denoising, noise: Tensor, committed: Committed | None) -> Tensor:
        if committed is None:
            return denoising.sample(noise[:, 0])
        pinned = committed.pinned.to(noise)
        weights = (committed.weights.to(noise) if self.soft else pinned)[:, None]
        generator = torch.Generator().manual_seed(self.seed)

        def constrain(step: int, x: Tensor) -> Tensor:
            abar = denoising.schedule.alpha_bar(step)
            fresh = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            known = abar**0.5 * committed.target + (1 - abar) ** 0.5 * fresh
            return weights * known + (1 - weights) * x

        return _pinned(denoising.sample(noise[:, 0], constrain=constrain), committed)


@dataclass(frozen=True)
class Guided:
    """Real-time chunking: each step is steered towards what is committed (arXiv 2506.07339).

    Written there for flows; for DDIM with a = sqrt(abar), s = sqrt(1 - abar) time is
    tau = a / (a + s) and the state z = x / (a + s). The clean estimate moves by
        (s / a) tau g J_z^T [W (Y - x0)],  g = min(beta, (1 - tau) / (tau r^2)),
        r^2 = (1 - tau)^2 sd^2 / ((1 - tau)^2 + tau^2 sd^2),  J_z = (a + s) d x0 / d x,
    before it is clipped, since no gradient passes a clip. beta bounds the strength; sd is the
    spread of actions around the plan (1 in the paper; smaller is firmer).
    """

    beta: float = 10.0
    sd: float = 0.2
    samples: int = 1

    def __call__(self, denoising: Denoising, noise: Tensor, committed: Committed | None) -> Tensor:
        if committed is None:
            return denoising.sample(noise[:, 0])

        def steered(x: Tensor, step: int) -> Tensor:
            return self._steered(denoising, committed, x, step)

        return _pinned(denoising.sample(noise[:, 0], steered), committed)

    def _steered(self, denoising: Denoising, committed: Committed, x: Tensor, step: int) -> Tensor:
        abar = denoising.schedule.alpha_bar(step)
        root, root_noise = abar**0.5, (1 - abar) ** 0.5
        with torch.enable_grad():
            given = x.detach().requires_grad_()
            output = denoising.denoise(given, step)
            if denoising.prediction == 'sample':
                clean = output
            else:
                clean = (given - root_noise * output) / root
            gap = committed.weights.to(x)[:, None] * (committed.target.to(x) - clean.detach())
            (product,) = torch.autograd.grad(clean, given, gap)
        push = root_noise / root * self.strength(root, root_noise) * (root + root_noise) * product
        if denoising.prediction == 'sample':
            return output.detach() + push
        return output.detach() - root / root_noise * push

    def strength(self, root: float, root_noise: float) -> float:
        """tau g at the level a = `root`, s = `root_noise`."""
        tau = root / (root + root_noise)
        left = 1 - tau
        spread = left**2 * self.sd**2 / (left**2 + tau**2 * self.sd**2)
        return tau * min(self.beta, left / (tau * spread))


@dataclass(frozen=True)
class Coherent:
    """Of several samples the one that agrees best with the plan before (BID, arXiv 2408.17355).

    The backward term alone: the weighted distance to what is committed. No gradient is needed.
    """

    samples: int = 16

    def __call__(self, denoising: Denoising, noise: Tensor, committed: Committed | None) -> Tensor:
        if committed is None:
            return denoising.sample(noise[:, 0])
        clean = denoising.sample(noise.flatten(0, 1)).unflatten(0, noise.shape[:2])
        gap = (clean - committed.target.to(clean)[:, None]) ** 2  # (B, n, T_p, A)
        total = (committed.weights.to(clean)[:, None] * gap).sum(dim=(2, 3))
        return clean[torch.arange(len(clean)), total.argmin(dim=1)]


def _pinned(clean: Tensor, committed: Committed) -> Tensor:
    """The chunks with what is certain as it will be."""
    return torch.where(committed.pinned[:, None], committed.target.to(clean), clean)


TRANSITIONS: dict[str, Callable[[], Transition]] = {
    'switch': Switch,
    'replacement': Replacement,
    'guided': Guided,
    'coherent': Coherent,
}
