import signal
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dp_ros import yamlfile
from dp_ros.data.windows import Windows
from dp_ros.learning import checkpoint, training_state
from dp_ros.learning.batches import batches
from dp_ros.learning.descent import learning_rate
from dp_ros.learning.loop import DivergedError
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Optimiser
from dp_ros.learning.train import train
from dp_ros.learning.training_state import ResumeError

PROCESS = Path(__file__).parent / 'resumable_run.py'


def written(folder, task, recipe):
    """A folder that PROCESS can train in."""
    folder.mkdir()
    (folder / 'task.yaml').write_text(yamlfile.dump(task))
    (folder / 'recipe.yaml').write_text(yamlfile.dump(recipe))
    return folder


def kill_at(step, command):
    """Run `command` and kill it when it has told of `step`."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) == step:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL


def assert_equal_runs(first, second):
    """Checkpoints and states are equal to the bit."""
    for name in ('checkpoint/weights.safetensors', training_state.FILE):
        one, other = load_file(first / name), load_file(second / name)
        assert one.keys() == other.keys()
        assert [key for key in one if not torch.equal(one[key], other[key])] == []


def test_learning_rate_warms_up_and_falls_along_half_a_cosine():
    optimiser = Optimiser(steps=1100, learning_rate=2.0, warmup=100)
    rates = np.array([learning_rate(step, optimiser) for step in range(1101)])
    np.testing.assert_allclose(rates[:100], 2.0 * np.arange(1, 101) / 100)
    expected = 1 + np.cos(np.pi * np.arange(1001) / 1000)
    np.testing.assert_allclose(rates[100:], expected, atol=1e-12)
    assert rates[1100] == pytest.approx(0)


def test_learning_rate_without_warm_up_begins_at_its_height():
    assert learning_rate(0, Optimiser(steps=10, learning_rate=0.5, warmup=0)) == 0.5


def test_the_loss_falls_and_the_averaged_policy_is_saved(task, make_recipe, windows, tmp_path):
    recipe = make_recipe(optimiser={'steps': 150, 'batch': 32}, validate_every=50, save_every=100)
    told = []
    policy = train(task, recipe, windows, windows, tmp_path, report=told.append)
    assert [p.step for p in told] == list(range(1, 151))
    losses = [p.loss for p in told]
    assert np.mean(losses[-20:]) < 0.6 * np.mean(losses[:20])
    assert [p.step for p in told if p.figures] == [50, 100, 150]
    assert told[-1].figures['validation_loss'] < told[49].figures['validation_loss']
    saved = checkpoint.load(tmp_path / 'checkpoint').policy.state_dict()
    assert all(torch.equal(saved[name], value) for name, value in policy.state_dict().items())
    assert list(tmp_path.glob('events.out.tfevents*'))


def test_a_run_resumed_after_sigkill_equals_an_uninterrupted_one(
    task, make_recipe, windows, tmp_path
):
    recipe = make_recipe(optimiser={'steps': 40}, save_every=7, validate_every=25)
    killed = written(tmp_path / 'killed', task, recipe)
    np.savez(killed / 'windows.npz', observations=windows.observations, actions=windows.actions)
    kill_at(24, [sys.executable, str(PROCESS), str(killed), '0'])
    told = []
    train(task, recipe, windows, windows, killed / 'run', report=told.append)
    assert told[0].step > 20, 'it began anew instead of going on'
    assert told[0].step % 7 == 1
    train(task, recipe, windows, windows, tmp_path / 'run')
    assert_equal_runs(tmp_path / 'run', killed / 'run')


def test_a_resumed_run_shows_each_step_once(task, make_recipe, windows, tmp_path):
    recipe = make_recipe(optimiser={'steps': 30}, save_every=10, validate_every=10)

    class Stopped(Exception):
        pass

    def stop_at_14(progress):
        if progress.step == 14:
            raise Stopped

    with pytest.raises(Stopped):
        train(task, recipe, windows, windows, tmp_path, report=stop_at_14)
    train(task, recipe, windows, windows, tmp_path)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [e.step for e in events.Scalars('loss/training')] == list(range(1, 31))
    assert [e.step for e in events.Scalars('validation_loss')] == [10, 20, 30]


def test_windows_without_images_leave_nothing_behind(windows):
    """A batch that is done with is held by nobody, however long the run."""
    held = []

    def rows():
        for number in range(50):
            part = torch.tensor([number % len(windows.actions)])
            held.append(weakref.ref(part))
            yield part

    alive = [sum(ref() is not None for ref in held) for _ in batches(windows, rows(), 'cpu')]
    assert max(alive) <= 3


def test_a_finished_run_is_not_trained_again(task, make_recipe, windows, tmp_path):
    recipe = make_recipe()
    first = train(task, recipe, windows, windows, tmp_path)
    told = []
    second = train(task, recipe, windows, windows, tmp_path, report=told.append)
    assert told == []
    values = second.state_dict()
    assert all(torch.equal(values[name], value) for name, value in first.state_dict().items())


def test_another_recipe_task_or_data_set_in_the_same_folder_is_refused(
    task, make_recipe, windows, tmp_path
):
    train(task, make_recipe(), windows, windows, tmp_path)
    with pytest.raises(ResumeError, match='another recipe; give another'):
        train(task, make_recipe(seed=1), windows, windows, tmp_path)
    other = type(task).model_validate(task.model_dump() | {'rate_hz': 5})
    with pytest.raises(ResumeError, match='another task; give another'):
        train(other, make_recipe(), windows, windows, tmp_path)
    more = Windows(windows.observations, windows.actions + 1)
    with pytest.raises(ResumeError, match='another data set; give another'):
        train(task, make_recipe(), more, windows, tmp_path)
    with pytest.raises(ResumeError, match='another task and another data set'):
        train(other, make_recipe(), more, windows, tmp_path)


def test_a_damaged_state_is_a_sentence(task, make_recipe, windows, tmp_path):
    train(task, make_recipe(), windows, windows, tmp_path)
    path = tmp_path / training_state.FILE
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ResumeError, match=r'cannot be read.*delete it'):
        train(task, make_recipe(), windows, windows, tmp_path)


def test_data_that_is_not_finite_is_a_sentence(task, make_recipe, windows, tmp_path):
    observations = windows.observations.copy()
    observations[3, 1, 0] = np.nan
    spoilt = Windows(observations, windows.actions)
    with pytest.raises(ValueError, match='NaN or infinite'):
        train(task, make_recipe(), spoilt, windows, tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_state(
    task, make_recipe, windows, tmp_path
):
    # Steps so long that the numbers overflow, but not before the first saves.
    recipe = make_recipe(
        optimiser={'steps': 400, 'learning_rate': 1e30, 'warmup': 0}, save_every=1
    )
    with pytest.raises(DivergedError, match=r'at step \d+; lower.* keeps the state after step \d'):
        train(task, recipe, windows, windows, tmp_path)
    late = recipe.model_copy(update={'save_every': 1000})
    with pytest.raises(DivergedError, match='keeps nothing: it was too early'):
        train(task, late, windows, windows, tmp_path / 'late')
    kept = checkpoint.load(tmp_path / 'checkpoint').policy.state_dict()
    assert all(bool(torch.isfinite(value).all()) for value in kept.values())


def test_fine_tuning_begins_with_the_given_weights_and_normalisers(
    task, make_recipe, windows, tmp_path
):
    recipe = make_recipe(optimiser={'steps': 1, 'learning_rate': 1e-12})
    start = DiffusionPolicy(task, recipe)
    start.fit(torch.from_numpy(windows.observations) * 3, torch.from_numpy(windows.actions) * 3)
    policy = train(task, recipe, windows, windows, tmp_path, initial=start)
    for name, value in start.state_dict().items():
        torch.testing.assert_close(policy.state_dict()[name], value, atol=1e-6, rtol=1e-6)
