"""Two arcs lead to the goal: who averages them goes where nobody went, the others choose."""

import pytest
import torch

from dp_ros.data.windows import sample_windows
from dp_ros.learning.observations import Observations
from dp_ros.learning.train import train
from dp_ros.paths import share
from dp_ros.sim import arcs
from dp_ros.task import load_task

SIZES = {
    'regression': {'width': 64},
    'lstm_gmm': {'width': 48},
    'bet': {'width': 64, 'bins': 24},
    'ibc': {'width': 64, 'layers': 2, 'counter_examples': 32, 'samples': 128},
}
STEPS = {'regression': 150, 'lstm_gmm': 200, 'bet': 150, 'ibc': 500}
# Half way up at the end of a chunk, the arcs are this far from the middle.
AWAY = 150.0


@pytest.fixture(scope='module')
def demonstrated():
    """Windows of as many demonstrations of the one arc as of the other, and their task."""
    task = load_task(share('config', 'tasks', 'two_arcs.yaml'))
    episodes = list(arcs.demonstrations(80, 0))
    upper = [e for e in episodes if e.state[40, 1] > 500][:25]
    lower = [e for e in episodes if e.state[40, 1] < 500][:25]
    assert len(upper) == len(lower) == 25
    return (
        task,
        sample_windows(upper + lower, task.horizons),
        sample_windows(upper[:1], task.horizons),
    )


def ends(policy, count=48):
    """How far above the middle (count,) chunks from the start end."""
    windows = torch.tensor(arcs.START).float().expand(count, policy.task.horizons.observation, 2)
    noise = torch.randn(count, *policy.noise_shape, generator=torch.Generator().manual_seed(0))
    return policy.predict(Observations(windows), noise)[:, -1, 1] - arcs.START[1]


@pytest.mark.parametrize('kind', STEPS)
def test_all_but_the_regressor_commit_to_an_arc(demonstrated, make_baseline, tmp_path, kind):
    task, training, validation = demonstrated
    recipe = make_baseline(
        kind,
        optimiser={'steps': STEPS[kind], 'batch': 64, 'learning_rate': 4e-3, 'warmup': 20},
        **SIZES[kind],
    )
    policy = train(task, recipe, training, validation, tmp_path)
    found = ends(policy)
    if kind == 'regression':
        assert bool((found.abs() < 0.2 * AWAY).all())
        return
    assert bool((found.abs() > 0.3 * AWAY).all())
    if kind != 'ibc':  # the deeper of two nearly equal places wins more often than its share
        torch.testing.assert_close(found.abs().median(), torch.tensor(AWAY), atol=25, rtol=0)
        assert 12 <= int((found > 0).sum()) <= 36
