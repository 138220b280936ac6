"""IBC: an energy that is low at what was demonstrated, and a search for its lowest place.

Implicit behavioural cloning (Florence et al. 2021) with its InfoNCE loss, uniform counter-examples
and derivative-free search. Uniform samples do not reach into the 32 numbers of a chunk; so, as in
their autoregressive variant, the search goes action by action: one network gives each action its
energy, given the observations and the actions of the chunk before it.
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from dp_ros.learning.baselines import recipes
from dp_ros.learning.baselines.baseline import Baseline
from dp_ros.learning.baselines.derivative_free import Search
from dp_ros.learning.own_generators import generators
from dp_ros.task import Task


def info_nce(energies: Tensor) -> Tensor:
    """Energies (B, 1 + K) -> mean of -log exp(-E_0) / sum exp(-E_k); the first is demonstrated."""
    return -(-energies).log_softmax(dim=-1)[:, 0].mean()


class Ibc(Baseline):
    """E(action i, i, actions before it, observations), the same network for each i."""

    recipe: recipes.Ibc

    def __init__(self, task: Task, recipe: recipes.Ibc) -> None:
        super().__init__(task, recipe)
        horizon, actions = self.noise_shape
        given = self.condition_dim + horizon * actions + horizon
        width = recipe.width
        self.embed_given = nn.Sequential(
            nn.Linear(given, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.embed_action = nn.Linear(actions, width)
        hidden = [nn.Sequential(nn.ReLU(), nn.Linear(width, width)) for _ in range(recipe.layers)]
        self.energy = nn.Sequential(*hidden, nn.ReLU(), nn.Linear(width, 1))
        self.bound = 1 + recipe.margin
        self.search = Search(
            recipe.samples, recipe.iterations, recipe.spread, recipe.shrink, self.bound
        )

    def chance(self, count: int, generator: Generator) -> tuple[Tensor, ...]:
        """Which action of the chunk is learned (B,), and counter-examples of it (B, K, A)."""
        horizon, actions = self.noise_shape
        index = torch.randint(horizon, (count,), generator=generator)
        among = torch.rand(count, self.recipe.counter_examples, actions, generator=generator)
        return index, (2 * among - 1) * self.bound

    def error(self, steps: Tensor, clean: Tensor, *drawn: Tensor) -> Tensor:
        index, others = drawn
        demonstrated = clean[torch.arange(len(clean)), index][:, None]  # (B, 1, A)
        given = self.given(steps, clean, index)
        return info_nce(self.energies(given, torch.cat([demonstrated, others], dim=1)))

    def answer(self, steps: Tensor, noise: Tensor) -> Tensor:
        sources = generators(noise)
        chunk = torch.zeros_like(noise)
        for i in range(self.noise_shape[0]):
            index = torch.full((len(noise),), i, device=noise.device)
            chunk[:, i] = self._lowest(self.given(steps, chunk, index), sources)
        return chunk

    def _lowest(self, given: Tensor, sources: Sequence[Generator]) -> Tensor:
        """The action (B, A) that the search finds; its random numbers are drawn on the CPU."""

        def energy(candidates: Tensor) -> Tensor:
            return self.energies(given, candidates.to(given)).cpu()

        return self.search(energy, self.noise_shape[1], sources).to(given)

    def given(self, steps: Tensor, chunk: Tensor, index: Tensor) -> Tensor:
        """What the energy of action `index` (B,) depends on besides it: (B, width)."""
        place = torch.arange(chunk.shape[1], device=chunk.device)
        before = torch.where((place < index[:, None])[..., None], chunk, 0.0)
        here = (place == index[:, None]).to(chunk)  # (B, T_p)
        known = torch.cat([steps.flatten(1), before.flatten(1), here], dim=-1)
        embedded: Tensor = self.embed_given(known)
        return embedded

    def energies(self, given: Tensor, candidates: Tensor) -> Tensor:
        """Energies (B, n) of candidates (B, n, A)."""
        energies: Tensor = self.energy(given[:, None] + self.embed_action(candidates))
        return energies[..., 0].float()
