"""What every baseline has in common with every policy: noise, checkpoints, engine, training."""

import json

import numpy as np
import pytest
import torch

from dp_ros import yamlfile
from dp_ros.data import replay_buffer
from dp_ros.data.replay_buffer import Episode
from dp_ros.learning import checkpoint, methods
from dp_ros.learning.checkpoint import TRAINING, WEIGHTS, CheckpointError
from dp_ros.learning.engine import Engine
from dp_ros.learning.engines import make_engine
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.train import train
from dp_ros.learning.transition import TRANSITIONS
from dp_ros.paths import share
from dp_ros.sim import arcs
from dp_ros.task import load_task
from tests.learning.baselines.conftest import SMALL

RECIPES = sorted(share('config', 'training', 'baselines').glob('*.yaml'))


def given(windows, count=8, seed=0):
    """Windows, and noise of as many chunks."""
    noise = torch.randn(count, 8, 2, generator=torch.Generator().manual_seed(seed))
    return Observations(torch.from_numpy(windows.observations[:count])), noise


def test_the_same_window_and_noise_give_the_same_chunk_whatever_else_is_planned(baseline, windows):
    observations, noise = given(windows)
    torch.manual_seed(1)
    chunks = baseline.predict(observations, noise)
    assert chunks.shape == (8, 8, 2)
    torch.manual_seed(2)
    assert torch.equal(baseline.predict(observations, noise), chunks)
    for i in (0, 5):
        alone = baseline.predict(Observations(observations.vector[i : i + 1]), noise[i : i + 1])
        torch.testing.assert_close(alone, chunks[i : i + 1], atol=1e-4, rtol=0)


def test_other_noise_gives_another_chunk_but_to_a_regressor(baseline, windows):
    observations, noise = given(windows)
    chunks = baseline.predict(observations, noise)
    other = baseline.predict(observations, given(windows, seed=1)[1])
    assert torch.equal(chunks, other) == (methods.name(baseline) == 'regression')


@pytest.mark.parametrize('control', ['position', 'velocity'])
@pytest.mark.parametrize('kind', SMALL)
def test_each_learns_and_is_loaded_as_it_was_saved(
    task, make_baseline, windows, tmp_path, kind, control
):
    features = {'kind': 'plain', 'control': control}
    recipe = make_baseline(
        kind, features=features, optimiser={'steps': 80, 'learning_rate': 1e-2}, validate_every=40
    )
    told = []
    policy = train(task, recipe, windows, windows, tmp_path, report=told.append)
    losses = [p.loss for p in told]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.02
    figures = [p.figures for p in told if p.figures]
    assert [set(f) for f in figures] == [{'validation_loss', 'action_error'}] * 2
    loaded = checkpoint.load(tmp_path / 'checkpoint')
    assert loaded.policy.recipe == recipe
    assert not loaded.policy.training
    assert torch.equal(loaded.policy.predict(*given(windows)), policy.predict(*given(windows)))
    checkpoint.save(loaded.policy, tmp_path / 'again')
    assert checkpoint.identity(tmp_path / 'again') == loaded.identity
    assert train(task, recipe, windows, windows, tmp_path).state_dict().keys()


def test_half_precision_keeps_what_is_no_weight(task, make_baseline, windows, tmp_path):
    policy = methods.make_policy(task, make_baseline('bet', half=True))
    policy.fit(torch.from_numpy(windows.observations), torch.from_numpy(windows.actions))
    checkpoint.save(policy, tmp_path)
    assert torch.equal(checkpoint.load(tmp_path).policy.centres, policy.centres)


def test_a_baseline_that_sees_learns_from_images(
    image_task, make_baseline, look, images, tmp_path
):
    recipe = make_baseline('regression', vision=look, optimiser={'steps': 4})
    start = methods.make_policy(image_task, recipe)
    policy = train(image_task, recipe, images, images, tmp_path)
    assert policy.condition_dim == start.condition_dim == 2 * (2 + 2 * 6)
    taken = images.batch([0, 1])
    frames = {name: torch.from_numpy(rows) for name, rows in taken.images.items()}
    noise = torch.zeros(2, 8, 2)
    seen = policy.predict(Observations(torch.from_numpy(taken.vector), frames), noise)
    dark = {name: torch.zeros_like(rows) for name, rows in frames.items()}
    unseen = policy.predict(Observations(torch.from_numpy(taken.vector), dark), noise)
    assert not torch.equal(seen, unseen)


def test_the_engine_answers_what_the_policy_answers(baseline, windows):
    engine = make_engine(baseline)
    engine.warm_up()
    observations, noise = given(windows, count=1)
    found = engine.predict(windows.observations[0], noise.numpy(), None, np.zeros((8, 2)), 2)
    np.testing.assert_allclose(found, baseline.predict(observations, noise)[0], atol=1e-5)
    with pytest.raises(ValueError, match=r'expected noise of shape \(1, 8, 2\)'):
        engine.predict(windows.observations[0], np.zeros((2, 8, 2)))


def test_the_engine_of_a_diffusion_policy_is_the_fast_one(task, make_recipe):
    assert isinstance(make_engine(DiffusionPolicy(task, make_recipe()).eval()), Engine)


@pytest.mark.parametrize('name', [name for name in TRANSITIONS if name != 'switch'])
def test_baselines_are_joined_by_the_switch_alone(baseline, name):
    kind = methods.name(baseline)
    with pytest.raises(ValueError, match=rf'\(kind: {kind}\).* transition switch, and not by'):
        make_engine(baseline, transition=name)


def test_training_does_not_start_from_another_method(
    task, make_baseline, make_recipe, windows, tmp_path
):
    initial = methods.make_policy(task, make_baseline('regression'))
    with pytest.raises(ValueError, match='method bet cannot start from one of method regression'):
        train(task, make_baseline('bet'), windows, windows, tmp_path, initial=initial)
    with pytest.raises(ValueError, match='method diffusion cannot start'):
        train(task, make_recipe(), windows, windows, tmp_path, initial=initial)


def test_the_weights_of_another_kind_are_a_sentence(task, make_baseline, baseline, tmp_path):
    checkpoint.save(baseline, tmp_path)
    kind = 'ibc' if methods.name(baseline) != 'ibc' else 'bet'
    (tmp_path / TRAINING).write_text(yamlfile.dump(make_baseline(kind)))
    with pytest.raises(CheckpointError, match='does not hold the weights'):
        checkpoint.load(tmp_path)
    assert (tmp_path / WEIGHTS).is_file()


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_the_recipes_that_ship_are_valid(path):
    recipe = methods.load_recipe(path)
    task = load_task(share('config', 'tasks', 'pusht_gym.yaml'))
    with torch.device('meta'):
        policy = methods.make_policy(task, recipe)
    method = path.stem.removesuffix('_velocity').removesuffix('_plain')
    assert method == f'pusht_gym_{methods.name(policy)}'
    assert recipe.features.control == (
        'velocity' if path.stem.endswith('velocity') else 'position'
    )


def test_a_kind_that_is_not_there_is_named(tmp_path):
    (tmp_path / 'recipe.yaml').write_text('kind: bett\nfeatures: {kind: plain}\n')
    with pytest.raises(yamlfile.ConfigError, match=r"kind: .*'regression'.*\(found 'bett'\)"):
        methods.load_recipe(tmp_path / 'recipe.yaml')
    (tmp_path / 'recipe.yaml').write_text(
        'kind: bet\nbin: 4\nfeatures: {kind: plain}\noptimiser: {steps: 1}\n'
    )
    with pytest.raises(yamlfile.ConfigError, match="unknown key 'bin'; did you mean 'bins'"):
        methods.load_recipe(tmp_path / 'recipe.yaml')


@pytest.fixture(scope='module')
def arcs_model(tmp_path_factory, make_baseline):
    """A folder with a set of the two arcs, and what dp-ros train makes of a baseline."""
    folder = tmp_path_factory.mktemp('arcs')
    episodes = [Episode(e.state, e.action) for e in arcs.demonstrations(4, 0)]
    replay_buffer.write(folder / 'set.zarr', episodes)
    recipe = make_baseline('bet', bins=8, optimiser={'steps': 3})
    (folder / 'bet.yaml').write_text(yamlfile.dump(recipe))
    return folder


def test_the_commands_train_and_evaluate_a_baseline_and_say_what_it_cannot(
    dp_ros, fails, arcs_model
):
    run, out = arcs_model / 'run', arcs_model / 'out'
    code, said = dp_ros(
        *('train', arcs_model / 'set.zarr', '--task', 'two_arcs', '--out', run),
        *('--recipe', arcs_model / 'bet.yaml', '--workers', 0),
    )
    assert code == 0, said
    assert 'bet: 0.0' in said
    code, said = dp_ros('evaluate', run / 'checkpoint', '--episodes', 2, '--out', out)
    assert code == 0, said
    assert 'switch, bet: mean score' in said
    report = json.loads((out / 'evaluation.json').read_text())
    assert report['method'] == 'bet'
    assert 'inference_steps' not in report

    evaluate = ('evaluate', run / 'checkpoint', '--episodes', 1, '--out', out)
    said = fails(*evaluate, '--inference-steps', 4)
    assert said == (
        '--inference-steps is for diffusion policies, and this is a baseline (kind: bet), which '
        'does not denoise'
    )
    said = fails(*evaluate, '--transition', 'guided')
    assert 'a baseline (kind: bet) knows nothing of the chunk before' in said
    said = fails(
        *('train', arcs_model / 'set.zarr', '--task', 'two_arcs', '--out', out / 'run'),
        *('--initial', run / 'checkpoint', '--workers', 0),
    )
    assert 'method diffusion cannot start from one of method bet' in said
    said = fails('distill', run / 'checkpoint', arcs_model / 'set.zarr', '-o', out / 'd',
                 '--recipe', share('config', 'training', 'pusht_gym_distilled.yaml'))  # fmt: skip
    assert said.startswith('dp-ros distill is for diffusion policies')
