import re
import shutil
from pathlib import Path

import pytest
import torch

import dp_ros
from dp_ros import yamlfile
from dp_ros.learning import checkpoint
from dp_ros.learning.checkpoint import TASK, TRAINING, WEIGHTS, CheckpointError
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy


@pytest.fixture
def policy(task, make_recipe, windows):
    torch.manual_seed(0)
    policy = DiffusionPolicy(task, make_recipe())
    policy.fit(torch.from_numpy(windows.observations), torch.from_numpy(windows.actions))
    return policy.eval()


@pytest.fixture
def folder(policy, tmp_path):
    checkpoint.save(policy, tmp_path / 'toy')
    return tmp_path / 'toy'


def test_what_is_loaded_is_what_was_saved_to_the_bit(policy, folder, windows):
    loaded = checkpoint.load(folder)
    assert loaded.name == 'toy'
    assert (loaded.task, loaded.policy.recipe) == (policy.task, policy.recipe)
    for name, value in policy.state_dict().items():
        assert torch.equal(loaded.policy.state_dict()[name], value)
    window = Observations(torch.from_numpy(windows.observations[:1]))
    noise = torch.randn(1, 8, 2)
    assert torch.equal(loaded.policy.predict(window, noise), policy.predict(window, noise))
    assert not loaded.policy.training


def test_nothing_else_is_written(folder):
    assert sorted(p.name for p in folder.iterdir()) == sorted([WEIGHTS, TASK, TRAINING])


def test_saving_again_gives_the_same_identity(policy, folder, tmp_path):
    checkpoint.save(checkpoint.load(folder).policy, tmp_path / 'again')
    assert checkpoint.identity(tmp_path / 'again') == checkpoint.identity(folder)
    assert re.fullmatch(r'[0-9a-f]{16}', checkpoint.identity(folder))


@pytest.mark.parametrize('name', [WEIGHTS, TASK, TRAINING])
def test_identity_changes_with_each_file(folder, name):
    before = checkpoint.identity(folder)
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    assert checkpoint.identity(folder) != before


@pytest.mark.parametrize('name', [WEIGHTS, TASK, TRAINING])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f'not a checkpoint: {name} missing'):
        checkpoint.load(folder)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(CheckpointError, match='is not a checkpoint'):
        checkpoint.load(tmp_path / 'nowhere')


@pytest.mark.parametrize('size', [0, 5, 100, -1])
def test_truncated_weights_are_a_sentence(folder, size):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:size])
    with pytest.raises(CheckpointError, match='does not hold the weights'):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    'network',
    [
        {'kind': 'mlp', 'width': 32, 'blocks': 2, 'step_embedding': 16},
        {'kind': 'mlp', 'width': 64, 'blocks': 3, 'step_embedding': 16},
        {'kind': 'unet', 'widths': [8, 16], 'step_embedding': 8},
    ],
)
def test_the_weights_of_another_network_are_a_sentence(
    folder, task, make_recipe, tmp_path, network
):
    checkpoint.save(DiffusionPolicy(task, make_recipe(network=network)), tmp_path / 'other')
    shutil.copy(tmp_path / 'other' / WEIGHTS, folder / WEIGHTS)
    with pytest.raises(CheckpointError, match='does not hold the weights'):
        checkpoint.load(folder)


def test_a_typo_in_the_recipe_is_named(folder):
    text = (folder / TRAINING).read_text().replace('batch', 'bach')
    (folder / TRAINING).write_text(text)
    with pytest.raises(yamlfile.ConfigError, match=r"optimiser\.bach.*did you mean 'batch'"):
        checkpoint.load(folder)


def test_the_task_it_was_trained_for_is_accepted(folder, task):
    checkpoint.load(folder).require(task, 'task.yaml')


@pytest.mark.parametrize(
    ('change', 'field'),
    [
        ({'rate_hz': 20}, r'rate_hz: 10\.0 against 20'),
        (
            {'horizons': {'observation': 2, 'prediction': 8, 'action': 3}},
            r'horizons\.action: 4 against 3',
        ),
    ],
)
def test_another_task_is_refused_with_both_names_and_the_field(folder, task, change, field):
    other = type(task).model_validate(task.model_dump() | change | {'name': 'other'})
    same_name = type(task).model_validate(task.model_dump() | change)
    loaded = checkpoint.load(folder)
    with pytest.raises(CheckpointError, match=r"'toy'.*robot\.yaml.*'other'.*name: 'toy' against"):
        loaded.require(other, 'robot.yaml')
    with pytest.raises(CheckpointError, match=f'differ in {field}'):
        loaded.require(same_name, 'robot.yaml')


def test_no_pickle_is_ever_loaded():
    pattern = re.compile(
        r'torch\.load\((?!.*weights_only=True)|\bpickle\b|\bdill\b|\bjoblib\b|\bshelve\b|\bmarshal\b|allow_pickle=True'
        r'|yaml\.(unsafe_|full_)?load\('
    )
    sources = list(Path(dp_ros.__file__).parent.rglob('*.py'))
    assert len(sources) > 50
    assert [s.name for s in sources if pattern.search(s.read_text(encoding='utf-8'))] == []


def test_half_precision_halves_the_file_and_not_the_normalisers(
    policy, task, make_recipe, folder, tmp_path
):
    half = DiffusionPolicy(task, make_recipe(half=True))
    half.load_state_dict(policy.state_dict())
    checkpoint.save(half, tmp_path / 'half')
    size = (tmp_path / 'half' / WEIGHTS).stat().st_size
    assert size < 0.6 * (folder / WEIGHTS).stat().st_size
    loaded = checkpoint.load(tmp_path / 'half').policy
    for name, value in policy.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == value.dtype
        torch.testing.assert_close(found, value, rtol=1e-3, atol=1e-6)
        assert torch.equal(found, value) or 'normalize' not in name
    checkpoint.save(loaded, tmp_path / 'again')
    assert checkpoint.identity(tmp_path / 'again') == checkpoint.identity(tmp_path / 'half')
