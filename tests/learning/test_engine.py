"""The engine is the same function as the policy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dp_ros.learning import checkpoint
from dp_ros.learning.engine import Engine
from dp_ros.learning.observations import Observations
from dp_ros.paths import share

MODELS = ['pusht_cell', 'pusht_gym']
UNIT = {'pusht_cell': 1.0, 'pusht_gym': 1000.0}


@pytest.fixture(scope='module', params=MODELS)
def shipped(request):
    policy = checkpoint.load(share('models', request.param)).policy
    return policy, Engine(policy), UNIT[request.param]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(min_value=0, max_value=2**32 - 1))
def test_the_engine_answers_what_the_plain_policy_answers(shipped, seed):
    policy, engine, unit = shipped
    rng = np.random.default_rng(seed)
    window = rng.uniform(0.2, 0.5, size=(2, 5)) * unit
    window[:, 4] = rng.uniform(-3, 3)
    noise = rng.normal(size=policy.noise_shape).astype(np.float32)
    plain = policy.predict(
        Observations(torch.from_numpy(window).float()[None]), torch.from_numpy(noise)[None]
    ).numpy()[0]
    np.testing.assert_allclose(engine.predict(window, noise), plain, atol=1e-4 * unit, rtol=0)


def test_a_missing_gpu_is_a_sentence(shipped):
    if torch.cuda.is_available():
        pytest.skip('this machine has a GPU')
    with pytest.raises(ValueError, match='torch sees no GPU'):
        Engine(shipped[0], 'cuda')
