"""Chunk transitions on a toy whose score is known exactly: two modes, smooth around each."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.learning.committed import Committed, hard_weights, soft_weights
from dp_ros.learning.sampler import inference_steps
from dp_ros.learning.schedule import NoiseSchedule
from dp_ros.learning.transition import (
    TRANSITIONS,
    Coherent,
    Denoising,
    Ensemble,
    Guided,
    Replacement,
    Switch,
)

HORIZON, DELAY, EXECUTED, TRIALS = 16, 2, 8, 300
SCHEDULE = NoiseSchedule.named('squared_cosine', 100)
STEPS = inference_steps(100, 10, 'trailing')


class TwoModes:
    """x ~ 1/2 N(m, S) + 1/2 N(-m, S) over (T_p, 1), and what a perfect network would answer."""

    def __init__(self):
        time = torch.arange(HORIZON, dtype=torch.float64)
        self.mean = 0.5 * torch.ones(HORIZON, dtype=torch.float64)
        gap = time[:, None] - time[None]
        self.cov = 0.05**2 * torch.exp(-0.5 * (gap / 5) ** 2) + 1e-6 * torch.eye(HORIZON)
        self.values, self.vectors = torch.linalg.eigh(self.cov)

    def sample(self, count, generator):
        sign = torch.randint(0, 2, (count, 1), generator=generator) * 2.0 - 1
        white = torch.randn(count, HORIZON, generator=generator, dtype=torch.float64)
        smooth = white @ (self.vectors * self.values.sqrt()).T
        return (sign * self.mean + smooth)[..., None], sign[:, 0]

    def epsilon(self, x, step):
        """-s times the score of the noised mixture at x (B, T_p, 1)."""
        abar = SCHEDULE.alpha_bar(step)
        root, variance = abar**0.5, 1 - abar
        flat = x[..., 0]
        precision = self.vectors @ torch.diag(1 / (abar * self.values + variance)) @ self.vectors.T
        gaps = torch.stack([flat - sign * root * self.mean for sign in (1.0, -1.0)])
        pulls = gaps @ precision  # (2, B, T_p)
        odds = torch.softmax(-0.5 * (gaps * pulls).sum(-1), dim=0)[..., None]
        score = -(odds * pulls).sum(0)
        return (-math.sqrt(variance) * score)[..., None]


TOY = TwoModes()
EPSILON = Denoising(TOY.epsilon, SCHEDULE, STEPS, 'epsilon', clip=None)


def as_sample(x, step):
    abar = SCHEDULE.alpha_bar(step)
    return (x - (1 - abar) ** 0.5 * TOY.epsilon(x, step)) / abar**0.5


SAMPLE = Denoising(as_sample, SCHEDULE, STEPS, 'sample', clip=None)


def trials(strategy, denoising=EPSILON, weights=None, count=TRIALS):
    """(seam p95, share of mode flips, interior acceleration p95) over many transitions."""
    generator = torch.Generator().manual_seed(0)
    plans, signs = TOY.sample(count, generator)
    if weights is None:
        weights = soft_weights(HORIZON, 0, DELAY, EXECUTED)
    # What is left of the plan before, moved to the front.
    target = torch.zeros_like(plans)
    target[:, : HORIZON - EXECUTED] = plans[:, EXECUTED:]
    shape = (count, strategy.samples, HORIZON, 1)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    chunks = strategy(denoising, noise, Committed(target, weights, EXECUTED))
    played = torch.cat([target[:, :DELAY], chunks[:, DELAY:]], dim=1)[..., 0].numpy()
    seams = np.abs(played[:, DELAY] - played[:, DELAY - 1])
    flips = played[:, -1] * signs.numpy() < 0
    inner = np.abs(np.diff(chunks[:, DELAY:, 0].numpy(), 2)).max(axis=1)
    return np.percentile(seams, 95), float(flips.mean()), np.percentile(inner, 95)


@pytest.fixture(scope='module')
def table():
    return {
        'switch': trials(Switch()),
        'hard': trials(Replacement(soft=False)),
        'soft': trials(Replacement()),
        'guided 5, 1': trials(Guided(5, 1.0)),
        'guided 10, .2': trials(Guided(10, 0.2)),
        'guided 20, .2': trials(Guided(20, 0.2)),
        'coherent': trials(Coherent(16)),
        'ensemble': trials(Ensemble()),
    }


def test_the_weights_are_those_of_the_paper():
    weights = soft_weights(16, 1, 2, 8)
    assert weights[0] == 1
    assert weights[1:10].tolist() == pytest.approx(
        [1, 1, 0.63, 0.37, 0.19, 0.08, 0.02, 0, 0], abs=0.01
    )
    assert hard_weights(16, 1, 2).tolist() == [1, 1, 1, *[0] * 13]
    assert not hard_weights(16, 1, 0).any()
    with pytest.raises(ValueError, match='outruns the 7 actions'):
        soft_weights(16, 1, 8, 8)


def test_mode_flips_fall_in_the_order_of_the_strategies(table):
    flips = {name: row[1] for name, row in table.items()}
    assert flips['switch'] == pytest.approx(0.5, abs=0.1)
    assert flips['switch'] > flips['guided 5, 1'] > flips['guided 10, .2']
    assert flips['hard'] > flips['guided 5, 1']
    assert flips['guided 10, .2'] >= flips['guided 20, .2']
    assert flips['guided 20, .2'] < 0.05
    assert flips['coherent'] < 0.02
    assert flips['switch'] > 5 * flips['guided 10, .2']


def test_seams_are_smaller_with_guidance_and_its_inside_stays_smooth(table):
    seam = {name: row[0] for name, row in table.items()}
    inner = {name: row[2] for name, row in table.items()}
    assert seam['switch'] > 3 * seam['guided 10, .2']
    assert inner['guided 10, .2'] < 1.5 * inner['switch']
    # It hides the seam while the plan still changes: the seam alone misleads.
    assert inner['soft'] > 1.3 * inner['guided 10, .2']


def test_ensembling_leaves_the_plan_of_both_modes_for_none(table):
    # The mean of two modes lies between them: neither seam nor inside is that of a plan.
    assert table['ensemble'][0] > table['guided 10, .2'][0]
    assert table['ensemble'][2] > table['switch'][2]


def test_the_mean_of_an_ensemble_is_that_of_all_plans_that_cover_a_time():
    steps, count, decay = 4, 6, 0.3
    rng = np.random.default_rng(0)
    plans = rng.normal(size=(count, 16))
    mean = plans[0]
    strategy = Ensemble(decay)
    for i in range(1, count):
        before = np.zeros((1, 16, 1))
        before[0, :-steps, 0] = mean[steps:]
        weights = np.where(np.arange(16) < 16 - steps, 0.5, 0.0)
        drawn = Denoising(lambda x, _step: x, SCHEDULE, [0], 'sample', clip=None)
        noise = plans[i][None, None, :, None]
        mean = strategy(drawn, noise, Committed(before, weights, steps))[0, :, 0]
    # Of the last plan's first action: the three plans before cover it, too.
    for action in range(16):
        ages = [k for k in range(count) if action + k * steps < 16]
        covering = np.array([plans[count - 1 - k, action + k * steps] for k in reversed(ages)])
        shares = np.exp(-decay * np.arange(len(covering)))
        assert mean[action] == pytest.approx((shares * covering).sum() / shares.sum())


@pytest.mark.parametrize('name', [n for n in TRANSITIONS if n not in ('guided', 'prefix')])
def test_arrays_and_tensors_are_treated_alike(name):
    strategy = TRANSITIONS[name]()
    generator = torch.Generator().manual_seed(4)
    plan, _ = TOY.sample(3, generator)
    shape = (3, strategy.samples, HORIZON, 1)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    weights = soft_weights(HORIZON, 0, DELAY, EXECUTED)
    expected = strategy(EPSILON, noise, Committed(plan, weights, EXECUTED))

    def epsilon(x, step):
        return TOY.epsilon(torch.from_numpy(x), step).numpy()

    arrays = Denoising(epsilon, SCHEDULE, STEPS, 'epsilon', clip=None)
    committed = Committed(plan.numpy(), weights.numpy(), EXECUTED)
    found = strategy(arrays, noise.numpy(), committed)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize('strategy', [Guided(), Guided(5, 1.0)])
def test_guidance_is_the_same_for_both_predictions(strategy):
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(2, 1, HORIZON, 1, generator=generator, dtype=torch.float64)
    plan, _ = TOY.sample(2, generator)
    committed = Committed(plan, soft_weights(HORIZON, 0, DELAY, EXECUTED))
    one, other = (strategy(d, noise, committed) for d in (EPSILON, SAMPLE))
    torch.testing.assert_close(one, other, atol=1e-8, rtol=0)


def test_what_is_certain_stays_to_the_bit():
    generator = torch.Generator().manual_seed(2)
    plan, _ = TOY.sample(1, generator)
    committed = Committed(plan, soft_weights(HORIZON, 0, DELAY, EXECUTED))
    for strategy in (Guided(), Replacement(), Replacement(soft=False)):
        noise = torch.randn(1, 1, HORIZON, 1, generator=generator, dtype=torch.float64)
        chunk = strategy(EPSILON, noise, committed)
        assert torch.equal(chunk[:, :DELAY], plan[:, :DELAY])


@pytest.mark.parametrize('strategy', [Switch(), Ensemble(), Guided(), Replacement(), Coherent(4)])
def test_without_a_plan_before_every_strategy_is_the_plain_sampler(strategy):
    noise = torch.randn(3, strategy.samples, HORIZON, 1, dtype=torch.float64)
    free = strategy(EPSILON, noise, None)
    torch.testing.assert_close(free, EPSILON.sample(noise[:, 0]))


@pytest.mark.parametrize('make', [torch.from_numpy, np.array], ids=['torch', 'numpy'])
@given(
    delay=st.integers(0, 4), executed=st.integers(1, 8), fade=st.integers(0, 6),
    now=st.integers(0, 1),
)  # fmt: skip
def test_a_plan_fades_into_the_next_one_from_the_first_free_action_on(
    make, delay, executed, fade, now
):
    weights = soft_weights(HORIZON, now, delay, executed)
    ones, zeros = np.ones((1, HORIZON, 1)), np.zeros((1, HORIZON, 1))
    clean = Denoising(lambda x, _step: 0 * x + make(ones), SCHEDULE, STEPS, 'sample')
    committed = Committed(make(zeros), make(weights.numpy()), executed)
    chunk = np.asarray(Switch(fade)(clean, make(zeros[None]), committed))[0, :, 0]
    free = [i for i in range(HORIZON) if 0 < weights[i] < 1]
    for i, found in enumerate(chunk):
        rank = i - free[0] if i in free else HORIZON
        assert found == pytest.approx(min(1, (rank + 1) / (fade + 1)))


def test_each_window_of_a_batch_is_treated_for_itself():
    generator = torch.Generator().manual_seed(3)
    plan, _ = TOY.sample(3, generator)
    weights = soft_weights(HORIZON, 0, DELAY, EXECUTED)
    for strategy in (Guided(), Coherent(4)):
        shape = (3, strategy.samples, HORIZON, 1)
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        whole = strategy(EPSILON, noise, Committed(plan, weights))
        for i in range(3):
            alone = strategy(EPSILON, noise[i : i + 1], Committed(plan[i : i + 1], weights))
            torch.testing.assert_close(whole[i : i + 1], alone)


def test_the_strength_of_guidance_is_bounded_and_ends_at_nothing():
    guided = Guided(10, 0.2)
    for step in STEPS:
        abar = SCHEDULE.alpha_bar(step)
        assert 0 <= guided.strength(abar**0.5, (1 - abar) ** 0.5) <= 10
