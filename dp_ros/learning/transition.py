"""How a new chunk takes over from the one before: strategies behind one small interface.

A strategy denoises a batch of chunks, given what is committed. All work in the denoiser's terms,
on tensors and on numpy arrays alike (Samples). The toy in tests/learning/test_transition.py has an
exact score.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dp_ros.learning import prefix, sampler
from dp_ros.learning.committed import Committed
from dp_ros.learning.sampler import DDIM, Sampler, Samples
from dp_ros.learning.schedule import NoiseSchedule, Prediction, clean_terms


@dataclass(frozen=True)
class Denoising(Generic[Samples]):
    """One denoiser with its schedule and sampler: what a strategy may use.

    denoise(x, step): (B * n, T_p, A) -> the same shape, n samples of each window next to each
    other. masked(x, step, mask) is told with mask (T_p,) which actions of x are clean and certain;
    None where the policy did not learn to go on from such a prefix. pull: see `pulled`; None where
    torch can differentiate `denoise`.
    """

    denoise: Callable[[Samples, int], Samples]
    schedule: NoiseSchedule
    steps: list[int]
    prediction: Prediction
    sampler: Sampler = field(default_factory=DDIM)
    clip: float | None = 1.0
    masked: Callable[[Samples, int, Any], Samples] | None = None
    pull: Callable[[Samples, int, Samples, Samples, float], tuple[Samples, Samples]] | None = None

    def sample(
        self,
        noise: Samples,
        denoise: Callable[[Samples, int], Samples] | None = None,
        constrain: Callable[[int, Samples], Samples] | None = None,
        watch: Callable[[int, Samples], None] | None = None,
        generator: torch.Generator | None = None,
    ) -> Samples:
        """Noise (B * n, T_p, A) -> clean (B * n, T_p, A)."""
        return sampler.sample(
            self.sampler,
            denoise or self.denoise,
            noise,
            self.schedule,
            self.steps,
            self.prediction,
            self.clip,
            watch,
            constrain,
            generator,
        )

    def pulled(
        self, x: Samples, step: int, goal: Samples, weights: Samples, share: float
    ) -> tuple[Samples, Samples]:
        """Output y at x (B, T_p, A), and J^T [weights (goal - share y)] with J = d y / d x.

        goal: (B, T_p, A); weights: (T_p,). A true vector-Jacobian product through the denoiser.
        """
        if self.pull is not None:
            return self.pull(x, step, goal, weights, share)
        with torch.enable_grad():
            given: Any = torch.as_tensor(x).detach().requires_grad_()
            output: Any = self.denoise(given, step)
            gap = weights[:, None] * (goal - share * output.detach())
            (product,) = torch.autograd.grad(output, given, gap)
        return output.detach(), product


@dataclass(frozen=True, kw_only=True)
class Transition(ABC):
    """How a chunk comes to be, and what it needs for that.

    samples: how many samples n of noise one chunk takes; pins: whether it goes on from what is
    certain, and is void if that did not come to be; differentiates: whether `Denoising.pulled` is
    called; recordable: whether it computes with nothing but the samples and what is committed,
    where they are, and not with how long ago that was (learning/recorded.py).
    """

    samples: int = 1
    pins: ClassVar[bool] = False
    differentiates: ClassVar[bool] = False
    recordable: ClassVar[bool] = True

    def __call__(
        self, denoising: Denoising[Samples], noise: Samples, committed: Committed[Samples] | None
    ) -> Samples:
        """Noise (B, n, T_p, A) -> clean chunks (B, T_p, A). Without `committed` they are free."""
        if committed is None:
            return denoising.sample(noise[:, 0])
        return self._join(denoising, noise, committed)

    @abstractmethod
    def _join(
        self, denoising: Denoising[Samples], noise: Samples, committed: Committed[Samples]
    ) -> Samples:
        """The chunks that take over from what is committed."""


@dataclass(frozen=True)
class Switch(Transition):
    """The new chunk knows nothing of the one before. fade: as for CleanPrefix."""

    fade: int = 0

    def _join(
        self, denoising: Denoising[Samples], noise: Samples, committed: Committed[Samples]
    ) -> Samples:
        return _faded(denoising.sample(noise[:, 0]), committed, self.fade)


@dataclass(frozen=True)
class Ensemble(Transition):
    """Temporal ensembling (Zhao et al. 2023, ACT): the mean of all plans that cover a time.

    Plan i has the weight exp(-decay i), i = 0 being the oldest. What is committed is the mean of
    the n plans before, so the mean is carried on: n is how many of them reach an action, if they
    were made as far apart as the last one. After arming that counts plans which never were, and
    the first one for them.
    """

    decay: float = 0.01
    recordable: ClassVar[bool] = False

    def _join(
        self, denoising: Denoising[Samples], noise: Samples, committed: Committed[Samples]
    ) -> Samples:
        clean = denoising.sample(noise[:, 0])
        new = _like(clean, self.shares(clean.shape[1], committed.executed))[:, None]
        mean = new * clean + (1 - new) * committed.target
        return prefix.pinned(clean, mean, committed.weights > 0)

    def shares(self, horizon: int, executed: int) -> NDArray[np.float64]:
        """Share (T_p,) of a new plan in the mean, with plans made every `executed` steps."""
        before = (horizon - 1 - np.arange(horizon)) // max(1, executed)
        weights = np.exp(-self.decay * np.arange(horizon + 1))
        shares: NDArray[np.float64] = weights[before] / np.cumsum(weights)[before]
        return shares


@dataclass(frozen=True)
class Replacement(Transition):
    """Inpainting: what is committed is noised to each step's level and replaces the sample there.

    After RePaint (Lugmayr et al. 2022), without its resampling: a heuristic, for the rest of the
    chunk is denoised as if the prefix had been its own. seed: of the fresh noise.
    """

    soft: bool = True
    seed: int = 0
    pins: ClassVar[bool] = True
    recordable: ClassVar[bool] = False

    def _join(
        self, denoising: Denoising[Samples], noise: Samples, committed: Committed[Samples]
    ) -> Samples:
        target, random = committed.target, np.random.default_rng(self.seed)
        chosen = committed.weights if self.soft else committed.weights >= 1
        weights = (1.0 * chosen)[:, None]

        def constrain(step: int, x: Samples) -> Samples:
            abar = denoising.schedule.alpha_bar(step)
            fresh = _like(x, random.standard_normal(x.shape))
            known = abar**0.5 * target + (1 - abar) ** 0.5 * fresh
            return weights * known + (1 - weights) * x

        clean = denoising.sample(noise[:, 0], constrain=constrain)
        return prefix.pinned(clean, target, committed.pinned)


@dataclass(frozen=True)
class Guided(Transition):
    """Real-time chunking: each step is steered towards what is committed (arXiv 2506.07339).

    Written there for flows; for diffusion with a = sqrt(abar), s = sqrt(1 - abar) time is
    tau = a / (a + s) and the state z = x / (a + s). The clean estimate moves by
        (s / a) tau g J_z^T [W (Y - x0)],  g = min(beta, (1 - tau) / (tau r^2)),
        r^2 = (1 - tau)^2 sd^2 / ((1 - tau)^2 + tau^2 sd^2),  J_z = (a + s) d x0 / d x,
    before it is clipped, since no gradient passes a clip. beta bounds the strength; sd is the
    spread of actions around the plan (1 in the paper; smaller is firmer).
    """

    beta: float = 10.0
    sd: float = 0.2
    pins: ClassVar[bool] = True
    differentiates: ClassVar[bool] = True

    def _join(
        self, denoising: Denoising[Samples], noise: Samples, committed: Committed[Samples]
    ) -> Samples:

        def steered(x: Samples, step: int) -> Samples:
            return self._steered(denoising, committed, x, step)

        clean = denoising.sample(noise[:, 0], steered)
        return prefix.pinned(clean, committed.target, committed.pinned)

    def _steered(
        self, denoising: Denoising[Samples], committed: Committed[Samples], x: Samples, step: int
    ) -> Samples:
        """The denoiser's output, moved."""
        abar = denoising.schedule.alpha_bar(step)
        root, root_noise = abar**0.5, (1 - abar) ** 0.5
        scale = root_noise / root * self.strength(root, root_noise) * (root + root_noise)
        # x0 = p x + q output, and so is its derivative.
        share_x, share = clean_terms(denoising.prediction, abar)
        goal, weights = committed.target - share_x * x, committed.weights
        output, product = denoising.pulled(x, step, goal, weights, share)
        gap = weights[:, None] * (goal - share * output)
        return output + scale / share * (share_x * gap + share * product)

    def strength(self, root: float, root_noise: float) -> float:
        """tau g at the level a = `root`, s = `root_noise`."""
        tau = root / (root + root_noise)
        left = 1 - tau
        spread = left**2 * self.sd**2 / (left**2 + tau**2 * self.sd**2)
        return tau * min(self.beta, left / (tau * spread))


@dataclass(frozen=True)
class Coherent(Transition):
    """Of several samples the one that agrees best with the plan before (BID, arXiv 2408.17355).

    The backward term alone: the weighted distance to what is committed. No gradient is needed.
    """

    samples: int = 16

    def _join(
        self, denoising: Denoising[Samples], noise: Samples, committed: Committed[Samples]
    ) -> Samples:
        batch, samples = noise.shape[:2]
        flat = noise.reshape(batch * samples, *noise.shape[2:])
        clean = denoising.sample(flat).reshape(noise.shape)
        gap = (clean - committed.target[:, None]) ** 2  # (B, n, T_p, A)
        total = (committed.weights[:, None] * gap).sum((2, 3))
        nearest = total.argmin(1)  # (B,)
        if isinstance(nearest, Tensor):
            return clean[torch.arange(batch, device=nearest.device), nearest]
        return clean[np.arange(batch), nearest]


@dataclass(frozen=True)
class CleanPrefix(Transition):
    """The network goes on from what is certain, as it was trained to (learning/prefix.py).

    At each step it is given what is certain without noise, and told so. What was seen since then
    may still call for another way at once; over the first `fade` free actions the arm changes over
    to it. ValueError for a policy that did not learn it.
    """

    fade: int = 2
    pins: ClassVar[bool] = True

    def _join(
        self, denoising: Denoising[Samples], noise: Samples, committed: Committed[Samples]
    ) -> Samples:
        masked = denoising.masked
        if masked is None:
            raise ValueError(prefix.NOT_TRAINED)
        target, mask = committed.target, committed.pinned

        def denoise(x: Samples, step: int) -> Samples:
            return masked(prefix.pinned(x, target, mask), step, mask)

        clean = denoising.sample(noise[:, 0], denoise)
        return prefix.pinned(_faded(clean, committed, self.fade), target, mask)


def _faded(clean: Samples, committed: Committed[Samples], fade: int) -> Samples:
    """The first `fade` actions (B, T_p, A) that are free come from both plans, in rising shares.

    With fade = 2 a third of the new plan, two thirds, and then it alone.
    """
    if not fade:
        return clean
    weights = committed.weights
    free: Any = (weights > 0) & (weights < 1)  # what the plan before still reaches
    rank: Any = _like(clean, free.cumsum(0))  # 1, 2 ... there
    share = (1 - _like(clean, free) * (1 - (rank / (fade + 1)).clip(max=1)))[:, None]
    return share * clean + (1 - share) * committed.target


def _like(samples: Samples, values: Any) -> Samples:
    """Values (a tensor, or an array) as what `samples` are, where they are."""
    if isinstance(samples, Tensor):
        return torch.as_tensor(values).to(samples)
    return np.asarray(values, samples.dtype)


TRANSITIONS: dict[str, Callable[[], Transition]] = {
    'switch': Switch,
    'fade': lambda: Switch(fade=2),
    'ensemble': Ensemble,
    'replacement': Replacement,
    'guided': Guided,
    'coherent': Coherent,
    'prefix': CleanPrefix,
}


def named(name: str) -> Transition:
    """A strategy by its name; raises ValueError for another one."""
    if name not in TRANSITIONS:
        raise ValueError(f'{name!r} is no chunk transition; there are: {", ".join(TRANSITIONS)}')
    return TRANSITIONS[name]()
