"""The command line as a person meets it: help for everything, and errors that are sentences."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from dp_ros import __version__, cli, yamlfile
from dp_ros.data import replay_buffer
from dp_ros.data.replay_buffer import Episode
from dp_ros.learning import checkpoint
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.paths import share
from dp_ros.task import load_task


def commands(group, path=()):
    """Every command by its words, and every group of commands."""
    yield list(path)
    for name, command in group.commands.items():
        if hasattr(command, 'commands'):
            yield from commands(command, (*path, name))
        else:
            yield [*path, name]


COMMANDS = list(commands(typer.main.get_command(cli.app)))


@pytest.mark.parametrize('command', COMMANDS, ids=' '.join)
@pytest.mark.parametrize('flag', ['--help', '-h'])
def test_every_command_explains_itself(command, flag):
    result = CliRunner().invoke(cli.app, [*command, flag])
    assert result.exit_code == 0
    assert 'Usage:' in result.output


def test_help_needs_neither_torch_nor_mujoco():
    code = (
        'import sys; sys.argv = ["dp-ros", "--help"]\n'
        'from dp_ros import cli\n'
        'try: cli.main()\n'
        'except SystemExit: pass\n'
        'sys.exit(", ".join({"torch", "mujoco", "zarr"} & sys.modules.keys()))'
    )
    ran = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert ran.stderr.strip() == ''


def write_set(path, state=2, action=2):
    rng = np.random.default_rng(0)
    episodes = [
        Episode(
            rng.normal(size=(30, state)).astype(np.float32),
            rng.normal(size=(30, action)).astype(np.float32),
        )
        for _ in range(3)
    ]
    replay_buffer.write(path, episodes)
    return path


def test_a_data_set_that_is_not_there(fails, tmp_path):
    path = tmp_path / 'a folder with a long name, and [brackets] in it' / 'nowhere.zarr'
    assert fails('dataset', 'info', path) == f'{path}: no such data set'
    said = fails('train', path, '--task', 'two_arcs', '--out', tmp_path)
    assert said == f'{path}: no such data set'


def test_a_task_that_does_not_ship(fails, tmp_path):
    said = fails('train', tmp_path, '--task', 'two_arks', '--out', tmp_path)
    assert said == (
        "task 'two_arks' is neither a file nor one of: pusht_cell, pusht_cell_image, pusht_gym, "
        'pusht_gym_single, two_arcs, two_arms_carry, ur5e_reach'
    )


def test_a_typo_in_a_recipe(fails, tmp_path):
    text = (
        share('config', 'training', 'two_arcs.yaml')
        .read_text()
        .replace('learning_rate', 'lerning_rate')
    )
    recipe = tmp_path / 'mine.yaml'
    recipe.write_text(text)
    made = write_set(tmp_path / 'set.zarr')
    said = fails('train', made, '--task', 'two_arcs', '--recipe', recipe, '--out', tmp_path)
    assert said == (
        f"{recipe}: unknown key 'optimiser.lerning_rate'; did you mean 'learning_rate'?"
    )


def test_columns_that_the_task_does_not_know(fails, tmp_path):
    right, wrong = write_set(tmp_path / 'right.zarr'), write_set(tmp_path / 'wrong.zarr', state=5)
    for sets in ([wrong], [right, wrong]):
        said = fails('train', *sets, '--task', 'two_arcs', '--out', tmp_path / 'run')
        assert said == (
            f"{wrong} has 5 state and 2 action columns; task 'two_arcs' expects 2 and 2"
        )
    assert not (tmp_path / 'run').exists()


def test_data_that_is_not_finite(fails, tmp_path):
    rows = np.full((20, 2), np.nan, np.float32)
    replay_buffer.write(tmp_path / 'set.zarr', [Episode(rows, rows)] * 2)
    said = fails('train', tmp_path / 'set.zarr', '--task', 'two_arcs', '--out', tmp_path / 'run')
    assert said.endswith('data/state is not finite in 40 rows, first 0')


def test_a_task_without_an_expert(fails, tmp_path):
    said = fails('dataset', 'generate', 'juggling', '--out', tmp_path / 'set.zarr')
    assert said == (
        "no expert for task 'juggling'; there is one for two_arcs, ur5e_reach, "
        'two_arms_carry, pusht_cell and pusht_cell_image'
    )


def test_a_folder_that_is_no_checkpoint(fails, tmp_path):
    assert f'{tmp_path} is not a checkpoint' in fails('evaluate', tmp_path)
    said = fails('dataset', 'correct', tmp_path, '--out', tmp_path / 'set.zarr')
    assert f'{tmp_path} is not a checkpoint' in said


def test_a_device_that_torch_does_not_know(fails, tmp_path):
    made = write_set(tmp_path / 'set.zarr')
    out = tmp_path / 'run'
    said = fails('train', made, '--task', 'two_arcs', '--out', out, '--device', 'abacus')
    assert 'abacus' in said


@pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a GPU')
def test_a_gpu_that_is_not_there(fails, tmp_path):
    made = write_set(tmp_path / 'set.zarr')
    out = tmp_path / 'run'
    said = fails('train', made, '--task', 'two_arcs', '--out', out, '--device', 'cuda')
    assert said.startswith("device 'cuda' was asked for, but torch sees no GPU")


def test_more_steps_than_there_are(fails, tmp_path):
    recipe = yamlfile.load(Recipe, share('config', 'training', 'two_arcs.yaml'))
    task = load_task(share('config', 'tasks', 'two_arcs.yaml'))
    checkpoint.save(DiffusionPolicy(task, recipe), tmp_path)
    said = fails('evaluate', tmp_path, '--action-steps', 99, '--out', tmp_path / 'out')
    assert 'fewer than action 99' in said
    said = fails('evaluate', tmp_path, '--inference-steps', 101, '--out', tmp_path / 'out')
    assert said == '101 denoising steps asked of a schedule of 100'


def test_info_says_what_a_set_holds(tmp_path):
    path = write_set(tmp_path / 'set.zarr')
    result = CliRunner().invoke(cli.app, ['dataset', 'info', str(path)])
    assert result.exit_code == 0
    said = ' '.join(result.output.split())
    assert '3 episodes, 90 steps (30 to 30 an episode, median 30)' in said
    assert 'state: 2 columns' in said


def test_version_is_that_of_the_package():
    assert CliRunner().invoke(cli.app, ['version']).output.strip() == __version__
