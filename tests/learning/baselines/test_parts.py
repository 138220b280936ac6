"""The parts of the baselines against closed forms and libraries."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from torch import nn

from dp_ros.learning import methods
from dp_ros.learning.baselines import draws
from dp_ros.learning.baselines.bet import clusters, focal_loss
from dp_ros.learning.baselines.derivative_free import Search
from dp_ros.learning.baselines.ibc import info_nce
from dp_ros.learning.baselines.lstm_gmm import Mixture

seeds = st.integers(0, 2**32 - 1)


def noise_of(count, seed=0):
    return torch.randn(count, 8, 2, generator=torch.Generator().manual_seed(seed))


def test_a_mixture_has_the_log_likelihood_that_scipy_finds():
    rng = np.random.default_rng(0)
    logits, means = rng.normal(size=(5, 3)), rng.normal(size=(5, 3, 4, 2))
    stds, chunks = rng.uniform(0.1, 2, (5, 3, 4, 2)), rng.normal(size=(5, 4, 2))
    of_modes = scipy.stats.norm.logpdf(chunks[:, None], means, stds).sum((2, 3))
    weights = logits - logsumexp(logits, axis=1, keepdims=True)
    found = Mixture(*map(torch.from_numpy, (logits, means, stds)))
    np.testing.assert_allclose(
        found.log_likelihood(torch.from_numpy(chunks)), logsumexp(weights + of_modes, axis=1)
    )


def test_modes_are_drawn_as_often_as_they_are_probable():
    shares = torch.tensor([0.1, 0.6, 0.3])
    means = torch.arange(3.0)[:, None, None].expand(3, 8, 2)
    mixture = Mixture(
        shares.log().expand(4000, 3), means.expand(4000, 3, 8, 2), torch.ones(4000, 3, 8, 2)
    )
    drawn = mixture.draw(noise_of(4000), std=1e-3)
    counts = torch.bincount(drawn.mean((1, 2)).round().long(), minlength=3) / 4000
    torch.testing.assert_close(counts, shares, atol=0.03, rtol=0)
    near = (drawn - drawn.mean((1, 2), keepdim=True).round()).abs().max()
    assert 0 < near < 0.01


def test_the_uniform_numbers_of_noise_are_uniform():
    found = draws.uniform(noise_of(3000))
    assert scipy.stats.kstest(found.numpy(), 'uniform').pvalue > 0.01


@given(seeds)
def test_what_is_chosen_covers_its_number(seed):
    rng = np.random.default_rng(seed)
    shares = torch.from_numpy(rng.dirichlet(np.ones(5), 3))
    uniforms = torch.from_numpy(rng.uniform(size=(3, 7)))
    chosen = draws.choose(shares, uniforms)
    sums = nn.functional.pad(shares.cumsum(1), (1, 0))
    assert bool((sums.gather(1, chosen) <= uniforms + 1e-12).all())
    assert bool((uniforms <= sums.gather(1, chosen + 1) + 1e-12).all())


def test_what_is_certain_is_chosen_even_at_the_ends():
    certain = torch.tensor([[0.0, 1.0, 0.0]]).expand(2, 3)
    assert draws.choose(certain, torch.tensor([0.0, 1.0])).tolist() == [1, 1]


def test_info_nce_of_known_energies():
    energies = torch.tensor([[0.0, 0.0, 0.0, 0.0], [-math.log(6.0), 0.0, 0.0, 0.0]])
    expected = (math.log(4) + math.log(9 / 6)) / 2
    assert info_nce(energies).item() == pytest.approx(expected)


def test_info_nce_is_least_where_the_energy_is_the_negative_log_density():
    # Uniform counter-examples: the best energy is -log p + any constant (Oord et al. 2018).
    generator = torch.Generator().manual_seed(0)
    std, count = 0.25, 4000
    truth = std * torch.randn(count, 1, generator=generator)
    others = 4 * torch.rand(count, 31, generator=generator) - 2
    candidates = torch.cat([truth, others], dim=1)
    losses = {s: info_nce(candidates**2 / (2 * s**2) + 7).item() for s in (0.15, 0.25, 0.4)}
    assert min(losses, key=losses.get) == std


@given(seed=seeds, x=st.floats(-0.9, 0.9), y=st.floats(-0.9, 0.9))
def test_the_search_finds_the_bottom_of_a_bowl(seed, x, y):
    search = Search(samples=200, iterations=8, spread=0.33, shrink=0.5, bound=1.0)
    place = torch.tensor([x, y])

    def energy(candidates):
        return 300 * ((candidates - place) ** 2).sum(-1)

    found = search(energy, 2, [torch.Generator().manual_seed(seed)])
    torch.testing.assert_close(found[0], place, atol=0.02, rtol=0)


def test_the_search_stays_in_its_box_and_repeats_with_its_source():
    search = Search(samples=50, iterations=3, spread=0.5, shrink=0.5, bound=1.5)

    def found(energy):
        return search(energy, 2, [torch.Generator().manual_seed(s) for s in (1, 2)])

    def to_the_corner(candidates):
        return -10 * candidates.sum(-1)

    torch.testing.assert_close(found(to_the_corner), torch.full((2, 2), 1.5))

    def to_the_middle(candidates):
        return 10 * candidates.norm(dim=-1)

    assert torch.equal(found(to_the_middle), found(to_the_middle))
    assert not torch.equal(*found(to_the_middle))


def test_of_two_equally_deep_places_the_source_chooses_one():
    search = Search(samples=100, iterations=6, spread=0.2, shrink=0.5, bound=1.0)

    def energy(candidates):
        return 200 * (candidates[..., 0].abs() - 0.7) ** 2

    found = search(energy, 1, [torch.Generator().manual_seed(s) for s in range(40)])[:, 0]
    torch.testing.assert_close(found.abs(), torch.full((40,), 0.7), atol=0.03, rtol=0)
    assert 8 < int((found > 0).sum()) < 32


def test_the_focal_loss_without_focus_is_cross_entropy_and_with_it_forgets_what_is_known():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 2, 3, 0, 1])
    plain = nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(focal_loss(logits, target, 0.0), plain)
    known = torch.tensor([[math.log(9.0), 0.0]])  # p = 0.9
    expected = 0.1**2 * math.log(1 / 0.9)
    assert focal_loss(known, torch.tensor([0]), 2.0).item() == pytest.approx(expected, rel=1e-5)


def test_clusters_that_are_far_apart_are_found():
    rng = np.random.default_rng(0)
    middles = 10 * np.arange(5)[:, None, None] * np.ones((5, 8, 2))
    chunks = torch.from_numpy(middles.repeat(20, 0) + rng.uniform(-1, 1, (100, 8, 2))).float()
    found = clusters(chunks, 5, seed=0)
    found = found[found[:, 0, 0].argsort()]
    torch.testing.assert_close(found, chunks.reshape(5, 20, 8, 2).mean(1), atol=1e-4, rtol=0)
    assert torch.equal(clusters(chunks, 5, 3), clusters(chunks, 5, 3))


def test_more_bins_than_chunks_are_a_sentence():
    with pytest.raises(ValueError, match='3 different chunks cannot make bins: 4'):
        clusters(torch.arange(3.0).repeat(5)[:, None, None].expand(15, 8, 2), 4, 0)


class Said(nn.Module):
    """A network that says `numbers` to everything."""

    def __init__(self, numbers):
        super().__init__()
        self.numbers = numbers

    def forward(self, x):
        return self.numbers


def test_a_bin_and_its_offset_make_the_chunk_again(task, make_baseline, windows):
    policy = methods.make_policy(task, make_baseline('bet'))
    vector, actions = map(torch.from_numpy, (windows.observations, windows.actions))
    policy.fit(vector, actions)
    clean = policy.encode(vector, actions)
    right = policy.nearest(clean)
    assert len(right.unique()) == 4
    distances = (clean[:, None] - policy.centres).flatten(2).norm(dim=2)
    assert torch.equal(right, distances.argmin(1))
    # A network that says the right bin and what is missing to it.
    sure = nn.functional.one_hot(right, 4) * 40.0
    offsets = (clean - policy.centres[right])[:, None].expand(-1, 4, 8, 2)
    policy.network = Said(torch.cat([sure, offsets.flatten(1)], dim=1))
    steps = policy.observed(vector, None)
    torch.testing.assert_close(policy.answer(steps, noise_of(8)), clean)
    assert policy.error(steps, clean).item() == pytest.approx(0, abs=1e-6)
