"""A set larger than the memory that there is: written, and read in shuffled batches."""

import subprocess
import sys
from pathlib import Path

STREAM = """
import resource
import sys

import numpy as np

LIMIT = 2**30
resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

from dp_ros.data import recordings, replay_buffer, windows
from dp_ros.data.replay_buffer import Episode
from dp_ros.task import ImageStream
from tests.data.cameras import task

EPISODES, STEPS = 30, 40
camera = ImageStream(type='image', name='near', width=640, height=480, size=(640, 480))


def drawn():
    for number in range(EPISODES):
        frames = np.empty((STEPS, 480, 640, 3), np.uint8)
        frames[:] = (number + np.arange(STEPS))[:, None, None, None]
        state = np.full((STEPS, 2), number, np.float32)
        state[:, 1] = np.arange(STEPS)
        yield Episode(state, state, {'near': frames})


replay_buffer.write(sys.argv[1], drawn(), (camera,))
known = recordings.read([sys.argv[1]], task(camera))
made = windows.sample_windows(known.episodes, task(camera).horizons, known)
assert EPISODES * STEPS * 480 * 640 * 3 > LIMIT
read = 0
rows = np.random.default_rng(0).permutation(len(made))
for part in np.array_split(rows, len(rows) // 16):
    batch = made.batch(part)
    np.testing.assert_array_equal(batch.images['near'][..., 0, 0, 0], batch.vector.sum(axis=-1))
    read += batch.images['near'].nbytes
assert read > LIMIT
try:
    known.frames['near'].held()
except MemoryError:
    print('streamed', read)
"""


def test_a_set_larger_than_the_memory_limit_streams_through_it(tmp_path):
    ran = subprocess.run(
        [sys.executable, '-c', STREAM, str(tmp_path / 'set.zarr')],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == 0, ran.stderr
    # Had the limit not been there, the whole set would have fitted, and nothing were shown.
    assert ran.stdout.startswith('streamed')
