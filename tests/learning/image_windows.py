"""A small data set of images, all in memory.

Two cameras watch a bright square; the actions lead from the tip to the square, which is in no
number of the observation. The label `keypoint` is where the square is, in per cent.
"""

import numpy as np

from dp_ros.data.frames import HeldFrames
from dp_ros.data.windows import Windows

SIZES = {'left': (24, 20), 'right': (16, 12)}  # width, height


def picture(place, size):
    """A square on grey at `place` in [0, 1]^2."""
    width, height = size
    image = np.full((height, width, 3), 60, np.uint8)
    x, y = (place * (np.array([width, height]) - 6)).round().astype(int) + 1
    image[y : y + 4, x : x + 4] = (250, 200, 40)
    return image


def make(count=48, observation=2, prediction=8, seed=0):
    """`count` windows; the square moves from each frame to the next."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 1, (count + 1, 2))
    tips = rng.uniform(0, 1, (count + 1, 2))
    steps = np.arange(count)[:, None] + np.arange(2 - observation, 2)
    along = np.linspace(0, 1, prediction)[None, :, None]
    actions = tips[1:, None] * (1 - along) + places[1:, None] * along
    frames = {
        name: HeldFrames(name, np.stack([picture(place, size) for place in places]))
        for name, size in SIZES.items()
    }
    return Windows(
        tips[steps].astype(np.float32),
        actions.astype(np.float32),
        steps,
        frames,
        {'keypoint': (100 * places).astype(np.float32)},
    )
