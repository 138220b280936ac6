"""Consistency functions: from anywhere on the probability flow straight to its end.

Song et al. 2023. With s^2 = (1 - abar) / abar, the noise that x / sqrt(abar) carries,
    f(x, t) = c_skip x / sqrt(abar) + c_out x_0(x, t),
    c_skip = r^2 / (s^2 + r^2),    c_out = 1 - c_skip = s^2 / (s^2 + r^2):
the mean of x itself and of what the denoiser takes it for, each with the weight that its error
deserves. Without noise, abar = 1, c_skip is 1 and c_out is 0, whatever the network says: the flow
ends there. r is small, so a denoiser's own estimate is nearly all of f after the first few steps,
and the denoiser of a trained policy is a good one to begin with.
"""

from dataclasses import dataclass
from typing import ClassVar, overload

import torch
from torch import Tensor

from dp_ros.learning.sampler import Samples, Step
from dp_ros.learning.schedule import NoiseSchedule, Prediction, clean_terms

ERROR = 0.02  # r, of clean samples in [-1, 1]


@overload
def boundary(abar: float) -> tuple[float, float]: ...
@overload
def boundary(abar: Tensor) -> tuple[Tensor, Tensor]: ...
def boundary(abar: float | Tensor) -> tuple[float | Tensor, float | Tensor]:
    """c_skip / sqrt(abar) and c_out: what x and x_0 weigh in f."""
    power, weight = 1 - abar, ERROR**2 * abar
    return weight / abar**0.5 / (power + weight), power / (power + weight)


@dataclass(frozen=True)
class Consistency:
    """Multistep consistency sampling (Song et al. 2023, Algorithm 1).

    Each step jumps to the end of the flow, and back to abar_next with fresh noise. One step is
    one call of the network.
    """

    random: ClassVar[bool] = True

    def __call__(self, now: Step[Samples], before: Step[Samples] | None) -> Samples:
        share_x, share_clean = boundary(now.abar)
        end = share_x * now.x + share_clean * now.clean
        if now.abar_next == 1:
            return end
        return now.abar_next**0.5 * end + (1 - now.abar_next) ** 0.5 * now.fresh()


class Flow:
    """The probability flow of a schedule, where each sample of a batch has a step of its own.

    x, clean, output: (B, ...); steps: (B,) in [-1, T), -1 being the end, without noise.
    """

    def __init__(self, schedule: NoiseSchedule, prediction: Prediction) -> None:
        levels = [schedule.alpha_bar(step) for step in [*range(schedule.steps), -1]]
        terms = [clean_terms(prediction, abar) for abar in levels]
        self._levels = torch.tensor(levels, dtype=torch.float64)  # (T + 1,), so [-1] is the end
        self._terms = torch.tensor(terms, dtype=torch.float64)  # (T + 1, 2)

    def clean(self, output: Tensor, x: Tensor, steps: Tensor) -> Tensor:
        """What a denoiser that answered `output` takes x for."""
        share_x, share = _beside(self._terms, steps, x).unbind(-1)
        return share_x * x + share * output

    def end(self, clean: Tensor, x: Tensor, steps: Tensor) -> Tensor:
        """The consistency function."""
        share_x, share_clean = boundary(_beside(self._levels, steps, x))
        return share_x * x + share_clean * clean

    def towards(self, clean: Tensor, x: Tensor, steps: Tensor, following: Tensor) -> Tensor:
        """x on to the steps `following` (B,) in a straight line: DDIM. What has ended stays."""
        abar, abar_next = (_beside(self._levels, at, x) for at in (steps, following))
        epsilon = (x - abar.sqrt() * clean) / (1 - abar).sqrt()
        onwards = abar_next.sqrt() * clean + (1 - abar_next).sqrt() * epsilon
        return torch.where(abar == 1, x, onwards)


def _beside(table: Tensor, steps: Tensor, x: Tensor) -> Tensor:
    """Entries (B, 1, ..., *entry) of `table` at `steps`, to multiply x (B, ...) with."""
    found = table.to(x.device)[steps].to(x.dtype)
    return found.reshape(len(x), *[1] * (x.ndim - 1), *table.shape[1:])
