"""Training on a set that is larger than the memory that there is."""

import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = """
import resource
import sys
from pathlib import Path

import numpy as np

LIMIT = 2**30
resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

import torch

from dp_ros import yamlfile
from dp_ros.data import recordings, replay_buffer, windows
from dp_ros.data.replay_buffer import Episode
from dp_ros.learning.job import Machine
from dp_ros.learning.recipe import Recipe
from dp_ros.learning.train import train
from dp_ros.task import ImageStream
from tests.data.cameras import task

EPISODES, STEPS = 30, 40
WIDTH, HEIGHT = 640, 480
camera = ImageStream(
    type='image', name='near', width=WIDTH, height=HEIGHT, size=(WIDTH, HEIGHT)
)


def drawn():
    for number in range(EPISODES):
        frames = np.empty((STEPS, HEIGHT, WIDTH, 3), np.uint8)
        frames[:] = (number + np.arange(STEPS))[:, None, None, None]
        state = np.full((STEPS, 2), number, np.float32)
        state[:, 1] = np.arange(STEPS)
        yield Episode(state, state, {'near': frames})


def main():
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    replay_buffer.write(folder / 'set.zarr', drawn(), (camera,))
    toy = task(camera)
    recipe = yamlfile.parse(
        Recipe,
        {
            'network': {'kind': 'mlp', 'width': 32, 'blocks': 1, 'step_embedding': 16},
            'features': {'kind': 'plain'},
            'vision': {'kind': 'small', 'crop': 0.2, 'features': 8},
            'optimiser': {'steps': 40, 'batch': 16, 'warmup': 0},
            'validate_every': 40,
        },
        'recipe',
    )
    known = recordings.read([folder / 'set.zarr'], toy)
    kept, held_out = windows.split_episodes(known.episodes, 0.05, 0)
    training, validation = (
        windows.sample_windows(part, toy.horizons, known) for part in (kept, held_out)
    )
    assert len(known.frames['near']) * WIDTH * HEIGHT * 3 > LIMIT
    told = []
    train(toy, recipe, training, validation, folder / 'run', Machine(workers=1), None, told.append)
    assert told[-1].step == 40
    assert 40 * 16 * 2 * WIDTH * HEIGHT * 3 > LIMIT  # read in all
    try:
        known.frames['near'].held()
    except MemoryError:
        print('trained')


if __name__ == '__main__':
    main()
"""


@pytest.mark.slow
def test_a_policy_is_trained_on_a_set_larger_than_the_memory_limit(tmp_path):
    program = tmp_path / 'train.py'  # a file, so that the process that reads can be spawned
    program.write_text(TRAIN)
    root = str(Path(__file__).parents[2])
    ran = subprocess.run(
        [sys.executable, str(program), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=root,
        env={'PATH': '/usr/bin:/bin', 'PYTHONPATH': root},
    )
    assert ran.returncode == 0, ran.stderr
    # Had the limit not been there, the whole set would have fitted, and nothing were shown.
    assert ran.stdout.startswith('trained')
