"""What the engine changes in the last digits changes nothing in how well a policy plays."""

import numpy as np
import pytest
import torch

from dp_ros.commands.environments import environments_of
from dp_ros.commands.evaluate import planner
from dp_ros.learning import checkpoint
from dp_ros.learning.engine import Engine
from dp_ros.paths import share
from dp_ros.sim.rollout import rollout
from tests.learning.bfloat16 import needs_bfloat16

STARTS = range(60000, 60024)


def by(engine, seed):
    """`planner` of the same policy, chunk by chunk through the engine, with the same noise."""
    generator = torch.Generator().manual_seed(seed)

    def plan(seen):
        shape = (len(seen.vector), *engine.noise_shape)
        noise = torch.randn(shape, generator=generator).numpy()
        chunks = [engine.predict(v, n) for v, n in zip(seen.vector, noise, strict=True)]
        return np.stack(chunks)

    return plan


@pytest.mark.slow
@pytest.mark.parametrize(
    ('device', 'precision'),
    [('cpu', 'float32'), ('openvino', 'float32'), ('openvino', 'bf16')],
)
def test_scores_with_and_without_the_engine_agree_within_the_interval(device, precision):
    if precision == 'bf16':
        needs_bfloat16()
    loaded = checkpoint.load(share('models', 'pusht_gym'))
    policy, task = loaded.policy, loaded.task
    plans = [planner(policy, 0), by(Engine(policy, device, 'switch', precision=precision), 0)]
    scores = []
    with environments_of(task) as make:
        for plan in plans:
            outcomes = rollout(make, plan, list(STARTS), task.horizons, 300, 0)
            scores.append({outcome.seed: outcome.score for outcome in outcomes})
    plain, fast = (np.array([found[seed] for seed in STARTS]) for found in scores)
    error = np.hypot(plain.std(ddof=1), fast.std(ddof=1)) / len(STARTS) ** 0.5
    assert plain.mean() > 0.9
    assert abs(plain.mean() - fast.mean()) <= 2 * error
