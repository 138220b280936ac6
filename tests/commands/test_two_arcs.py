"""The teaching example from end to end: two arcs lead to the goal, and nothing in between does."""

import json
import sys

import numpy as np
import pytest
import torch
from torch import nn

from dp_ros import cli
from dp_ros.commands.evaluate import planner
from dp_ros.data import replay_buffer, windows
from dp_ros.learning import checkpoint
from dp_ros.sim.arcs import GOAL, Arcs
from dp_ros.sim.rollout import rollout

# Training may have to compete with everything else that the machine is testing.
pytestmark = pytest.mark.timeout(600)
ROLLOUTS = 40
MIDDLE = 60.0


def dp_ros(*arguments):
    """The program itself, in this process: importing torch anew takes longer than most of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', ['dp-ros', *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 0


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A folder with what the three commands make: set.zarr, run/ and evaluation/."""
    folder = tmp_path_factory.mktemp('two_arcs')
    made, run, evaluation = folder / 'set.zarr', folder / 'run', folder / 'evaluation'
    dp_ros('dataset', 'generate', 'two_arcs', '--episodes', 100, '--out', made)
    dp_ros('train', made, '--task', 'two_arcs', '--out', run)
    dp_ros('evaluate', run / 'checkpoint', '--episodes', ROLLOUTS, '--out', evaluation)
    return folder


@pytest.fixture(scope='module')
def policy(trained):
    return checkpoint.load(trained / 'run' / 'checkpoint').policy


def paths(plan, horizons, count):
    """The way (n, 2) of each of `count` rollouts."""
    environments = []

    def make():
        environments.append(Arcs())
        return environments[-1]

    list(rollout(make, plan, list(range(count)), horizons, Arcs.max_steps))
    return [np.array(environment.path) for environment in environments]


def height_at_half_way(path):
    """y where the path first passes x = 500."""
    after = int(np.argmax(path[:, 0] >= 500))
    assert after > 0, 'it never got half way'
    (x0, y0), (x1, y1) = path[after - 1], path[after]
    return y0 + (y1 - y0) * (500 - x0) / (x1 - x0)


def test_the_diffusion_policy_reaches_the_goal_along_both_arcs_and_never_in_between(
    trained, policy
):
    report = json.loads((trained / 'evaluation' / 'evaluation.json').read_text())
    assert report['success_rate'] == 1
    assert (trained / 'evaluation' / 'denoising.png').stat().st_size > 10_000

    taken = paths(planner(policy, seed=1), policy.task.horizons, ROLLOUTS)
    assert all(np.linalg.norm(path[-1] - GOAL) < 25 for path in taken)
    heights = np.array([height_at_half_way(path) for path in taken]) - 500
    assert np.abs(heights).min() > MIDDLE
    np.testing.assert_allclose(np.abs(heights), 207, atol=40)
    upper = int((heights > 0).sum())
    assert 8 <= upper <= ROLLOUTS - 8, 'one of the two arcs is hardly ever taken'
    for path, height in zip(taken, heights, strict=True):
        on_the_way = path[(path[:, 0] > 100) & (path[:, 0] < 900)]
        assert np.all(np.sign(on_the_way[:, 1] - 500) == np.sign(height)), 'it changed its mind'


def test_a_regressor_on_the_same_windows_goes_through_the_middle(trained, policy):
    torch.manual_seed(0)
    horizons = policy.task.horizons
    made = windows.sample_windows(replay_buffer.read(trained / 'set.zarr'), horizons)
    observations, actions = (torch.from_numpy(a) for a in (made.observations, made.actions))
    condition = policy.condition(observations, None)
    target = policy.encode(observations, actions)
    network = nn.Sequential(
        nn.Linear(condition.shape[1], 64),
        nn.Mish(),
        nn.Linear(64, 64),
        nn.Mish(),
        nn.Linear(64, target[0].numel()),
        nn.Unflatten(-1, target.shape[1:]),
    )
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(300):
        rows = torch.randint(len(target), (256,))
        loss = nn.functional.mse_loss(network(condition[rows]), target[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def plan(seen):
        vector = torch.from_numpy(seen.vector).float()
        with torch.no_grad():
            return policy.decode(vector, network(policy.condition(vector, None))).double().numpy()

    heights = [height_at_half_way(path) for path in paths(plan, horizons, 8)]
    assert abs(np.median(heights) - 500) < MIDDLE
