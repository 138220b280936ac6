"""keep_every: the averaged model as it was on the way, beside the one at the end."""

import pytest
import torch

from dp_ros import yamlfile
from dp_ros.commands.evidence.stability import curves
from dp_ros.learning import checkpoint
from dp_ros.learning.train import train

STEPS = {'steps': 6, 'batch': 4}


def weights(folder):
    return torch.cat([p.flatten() for p in checkpoint.load(folder).policy.parameters()])


@pytest.fixture
def kept(task, make_recipe, windows, tmp_path):
    recipe = make_recipe(optimiser=STEPS, keep_every=2, validate_every=3)
    train(task, recipe, windows, windows, tmp_path)
    return tmp_path


def test_models_are_kept_as_they_were(kept, task, make_recipe, windows, tmp_path):
    assert sorted(p.name for p in (kept / 'kept').iterdir()) == ['2', '4', '6']
    assert torch.equal(weights(kept / 'kept' / '6' / 'checkpoint'), weights(kept / 'checkpoint'))
    # A run that keeps nothing takes the same way: its saved state after 4 steps is what was kept.
    seen = []
    other = make_recipe(optimiser=STEPS, save_every=4)

    def watch(progress):
        if progress.step == 5:
            seen.append(weights(tmp_path / 'other' / 'checkpoint'))

    train(task, other, windows, windows, tmp_path / 'other', report=watch)
    assert torch.equal(seen[0], weights(kept / 'kept' / '4' / 'checkpoint'))
    assert not (tmp_path / 'other' / 'kept').exists()


def test_a_recipe_that_keeps_nothing_does_not_mention_it(make_recipe):
    assert 'keep_every' not in yamlfile.dump(make_recipe())


def test_curves_are_those_of_the_run(kept):
    found = curves(kept)
    assert [step for step, _ in found['error']] == [3, 6]
    assert [step for step, _ in found['loss']] == [1, 2, 3, 4, 5, 6]
    assert all(value > 0 for _, value in found['loss'])
