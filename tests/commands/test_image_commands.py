"""Data sets and evaluation of a task with cameras, by the commands themselves.

Rendering needs MUJOCO_GL before mujoco is imported, so they run in processes of their own.
"""

import ctypes.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import zarr

from dp_ros import yamlfile
from dp_ros.data import recordings, replay_buffer
from dp_ros.data.frames import FrameStore
from dp_ros.data.replay_buffer import Episode
from dp_ros.learning import checkpoint
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.paths import share
from dp_ros.sim import pusht
from dp_ros.task import load_task

pytestmark = [
    pytest.mark.skipif(
        ctypes.util.find_library('OSMesa') is None, reason='no libosmesa6 on this machine'
    ),
    pytest.mark.timeout(300),
]
TASK = load_task(share('config', 'tasks', 'pusht_cell_image.yaml'))

COMMAND = """
import sys
from dp_ros import cli
from dp_ros.commands.environments import headless

headless()
from dp_ros.sim import demonstrations
from dp_ros.sim.seen_cell import SeenCell

# An untrained policy gets nowhere however long it tries.
SeenCell.max_steps = 10
demonstrations._LEAD_STEPS = 10, 12
sys.argv[0] = 'dp-ros'
cli.main()
"""


def dp_ros(*arguments):
    environment = {k: v for k, v in os.environ.items() if k not in ('MUJOCO_GL', 'DISPLAY')}
    ran = subprocess.run(
        [sys.executable, '-W', 'error', '-c', COMMAND, *map(str, arguments)],
        env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ''
    return ' '.join(ran.stdout.split())


@pytest.fixture(scope='module')
def untrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('checkpoint') / 'untrained'
    recipe = yamlfile.parse(
        Recipe,
        {
            'network': {'kind': 'mlp', 'width': 32, 'blocks': 1, 'step_embedding': 16},
            'features': {'kind': 'plain'},
            'vision': {'kind': 'small'},
            'diffusion': {'inference_steps': 2},
            'optimiser': {'steps': 1},
        },
        'recipe',
    )
    torch.manual_seed(0)
    policy = DiffusionPolicy(TASK, recipe)
    tips = torch.rand(64, 2, 2) * 0.4 + torch.tensor([0.26, -0.2])
    policy.fit(tips, tips[:, -1:].expand(-1, TASK.horizons.prediction, -1))
    checkpoint.save(policy, folder)
    return folder


def test_evaluation_reports_every_episode_and_repeats(untrained, tmp_path):
    reports = []
    for name in ('first', 'second'):
        said = dp_ros('evaluate', untrained, '--episodes', 2, '--delay-steps', 2, '--out',
                      tmp_path / name)  # fmt: skip
        assert 'task pusht_cell_image, seeds 10000 to 10001, T_a 4, delay 2 steps' in said
        reports.append(json.loads((tmp_path / name / 'evaluation.json').read_text()))
    durations = [report.pop('chunk_ms') for report in reports]
    assert all(0 < ms < 10_000 for ms in durations)
    assert reports[0] == reports[1]
    assert [(e['seed'], e['steps']) for e in reports[0]['episodes']] == [(10000, 10), (10001, 10)]
    assert reports[0]['delay_steps'] == 2


@pytest.fixture(scope='module')
def corrected(untrained, tmp_path_factory):
    path = tmp_path_factory.mktemp('corrected') / 'set.zarr'
    said = dp_ros('dataset', 'correct', untrained, '--out', path, '--episodes', 1, '--seed', 7)
    assert 'the expert finished 1 and failed 0 times' in said
    return path


def test_takeovers_are_an_image_data_set_of_the_task(corrected):
    known = recordings.read([corrected], TASK, ['keypoint', 'full_state'])
    (episode,) = known.episodes
    assert (episode.state.shape[1], episode.action.shape[1]) == (2, 2)
    truth = known.extra['full_state']
    np.testing.assert_array_equal(truth[:, :2], episode.state)
    assert pusht.coverage(truth[-1, 2:].astype(float)) > 0.95
    corners = known.extra['keypoint'].reshape(-1, 8, 2)
    for pose, found in zip(truth[:, 2:].astype(float), corners):
        np.testing.assert_allclose(found, pusht.block_outline(pose), atol=1e-6)
    for camera in TASK.cameras:
        frames = known.frames[camera.name].read(np.arange(len(episode)))
        assert frames.std() > 10
        assert not (frames[1:] == frames[:-1]).all(axis=(1, 2, 3)).any(), 'a frame came twice'


def test_a_set_is_rendered_again_to_the_same_pixels(corrected, tmp_path):
    dp_ros('dataset', 'render', corrected, '--task', 'pusht_cell_image', '--out',
           tmp_path / 'again.zarr', '--seed', 7, '--workers', 1)  # fmt: skip
    paths = corrected, tmp_path / 'again.zarr'
    first, again = (zarr.open_group(str(path), mode='r')['data'] for path in paths)
    assert sorted(first.array_keys()) == sorted(again.array_keys())
    for name in first.array_keys():
        np.testing.assert_array_equal(first[name][:], again[name][:], err_msg=name)


def test_states_are_rendered_in_other_processes_to_the_same_pixels(tmp_path):
    rng = np.random.default_rng(0)
    states = [
        rng.uniform([0.3, -0.2, 0.36, -0.1, -3], [0.6, 0.2, 0.56, 0.1, 3], (n, 5))
        for n in (3, 2, 4)
    ]
    episodes = [Episode(s.astype(np.float32), s[:, :2].astype(np.float32)) for s in states]
    replay_buffer.write(tmp_path / 'states.zarr', episodes)
    for workers in (1, 2):
        said = dp_ros('dataset', 'render', tmp_path / 'states.zarr', '--task', 'pusht_cell_image',
                      '--out', tmp_path / f'{workers}.zarr', '--workers', workers)  # fmt: skip
        assert '3 episodes, 9 steps' in said
    for camera in TASK.cameras:
        one, two = (
            FrameStore([tmp_path / f'{n}.zarr'], camera).read(np.arange(9)) for n in (1, 2)
        )
        np.testing.assert_array_equal(one, two)
    (truth,) = replay_buffer.arrays(tmp_path / '2.zarr', 'data/full_state')
    np.testing.assert_array_equal(truth, np.concatenate(states).astype(np.float32))


def test_generated_episodes_are_those_of_the_state_task_seen_by_cameras(tmp_path):
    for task in ('pusht_cell', 'pusht_cell_image'):
        dp_ros('dataset', 'generate', task, '--out', tmp_path / f'{task}.zarr', '--episodes', 2,
               '--workers', 1, '--noise-mm', 2)  # fmt: skip
    plain = replay_buffer.read(tmp_path / 'pusht_cell.zarr')
    seen = replay_buffer.read(tmp_path / 'pusht_cell_image.zarr', 'full_state')
    for a, b in zip(plain, seen, strict=True):
        np.testing.assert_array_equal(a.state, b.state)
        np.testing.assert_array_equal(a.action, b.action)
    known = recordings.read([tmp_path / 'pusht_cell_image.zarr'], TASK)
    assert len(known.frames['overhead']) == sum(map(len, plain))
    said = dp_ros('dataset', 'info', tmp_path / 'pusht_cell_image.zarr')
    assert 'keypoint: 8 x 2 overhead: 90 x 132 x 3 qpos: 13 wrist: 60 x 80 x 3' in said


LIVE = """
import sys
import numpy as np
from dp_ros.commands.environments import headless

headless()
from dp_ros.data.pictures import Picture
from dp_ros.nodes.images import image_message
from dp_ros.paths import share
from dp_ros.sim.filming import Take, film
from dp_ros.sim.render import SceneRenderer
from dp_ros.sim.views import CellViews, qpos_of_state
from dp_ros.task import load_task

task = load_task(share('config', 'tasks', 'pusht_cell_image.yaml'))
rng = np.random.default_rng(0)
states = rng.uniform([0.3, -0.2, 0.36, -0.1, -3], [0.6, 0.2, 0.56, 0.1, 3], (4, 5))
qpos = np.array([qpos_of_state(state) for state in states]).astype(np.float32)
qpos[:, :6] += rng.normal(size=(4, 6)) * 0.05
with CellViews(task.cameras) as views:
    episode = film(views, Take(states, states[:, :2], qpos, seed=3))
    noise = views.noise(3)
for camera in task.cameras:
    with SceneRenderer(camera.width, camera.height, camera.name) as renderer:
        for i in range(4):
            raw = noise[camera.name](renderer.view(qpos[i].astype(float)))
            for encoding, sent in (('rgb8', raw), ('bgr8', np.ascontiguousarray(raw[..., ::-1]))):
                message = image_message(i, camera.name, sent, encoding)
                live = Picture(message, camera).prepared()
                np.testing.assert_array_equal(live, episode.extra[camera.name][i])
print('equal')
"""


def test_frames_of_a_data_set_are_those_that_the_robot_prepares_bit_for_bit():
    ran = subprocess.run(
        [sys.executable, '-c', LIVE], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == 'equal\n'


def test_mistakes_are_sentences(tmp_path, untrained, fails):
    rows = np.zeros((9, 2), np.float32)
    replay_buffer.write(tmp_path / 'two.zarr', [Episode(rows, rows)])
    out = ('--out', tmp_path / 'out.zarr')
    said = fails('dataset', 'render', tmp_path / 'two.zarr', '--task', 'pusht_cell_image', *out)
    assert 'has 2 state columns; to render the cell it takes 5' in said
    said = fails('dataset', 'render', tmp_path / 'two.zarr', '--task', 'pusht_cell', *out)
    assert said == "task 'pusht_cell' has no cameras: there is nothing to render"
    late = ('--delay-steps', 5, '--out', tmp_path / 'out.zarr')
    for command in (['evaluate'], ['dataset', 'correct']):
        assert 'a delay of 5 steps cannot be bridged' in fails(*command, untrained, *late)
    assert not (tmp_path / 'out.zarr').exists()
