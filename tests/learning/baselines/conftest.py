"""Small baselines of the toy task."""

import pytest
import torch

from dp_ros import yamlfile
from dp_ros.learning import methods

SMALL = {
    'regression': {'width': 32, 'blocks': 1},
    'lstm_gmm': {'width': 16, 'layers': 1, 'modes': 3, 'least_std': 0.02},
    'ibc': {'width': 32, 'layers': 1, 'counter_examples': 16, 'samples': 32},
    'bet': {'width': 32, 'blocks': 1, 'bins': 4},
}


@pytest.fixture(scope='session')
def make_baseline():
    """Recipe of a kind, small."""

    def make(kind, optimiser=None, **other):
        small = {
            'kind': kind,
            'features': {'kind': 'plain'},
            'optimiser': {'steps': 20, 'batch': 16, 'learning_rate': 2e-3, 'warmup': 5}
            | (optimiser or {}),
        }
        recipe = methods.BASELINES[kind][0]
        return yamlfile.parse(recipe, small | SMALL[kind] | other, kind)

    return make


@pytest.fixture(params=SMALL)
def baseline(request, task, make_baseline, windows):
    """One of each kind, fitted to `windows`, that has learned nothing."""
    torch.manual_seed(0)
    policy = methods.make_policy(task, make_baseline(request.param))
    policy.fit(torch.from_numpy(windows.observations), torch.from_numpy(windows.actions))
    return policy.eval()
