"""Small cameras and episodes seen through them, for tests of image data sets."""

import numpy as np

from dp_ros import yamlfile
from dp_ros.data.replay_buffer import Episode
from dp_ros.task import ImageStream, Task

NEAR = ImageStream(type='image', name='near', width=64, height=48, size=(16, 12))
FAR = ImageStream(
    type='image', name='far', width=64, height=48, crop=(8, 4, 48, 36), size=(12, 9)
)  # fmt: skip


def task(*cameras):
    """A task with two columns of state and action, T_o 2, T_p 8, T_a 4."""
    return yamlfile.parse(
        Task,
        {
            'name': 'toy',
            'rate_hz': 10,
            'horizons': {'observation': 2, 'prediction': 8, 'action': 4},
            'observations': [
                {'type': 'pose', 'name': 'tcp', 'topic': '/tcp_pose', 'components': ['x', 'y']},
                *(camera.model_dump() for camera in cameras),
            ],
            'action': {
                'space': 'cartesian',
                'components': ['x', 'y'],
                'fixed': {'z': 0, 'rx': 0, 'ry': 0, 'rz': 0},
            },
        },
        'toy',
    )


def filmed(length, seed, *cameras):
    """An episode whose frames are noise, with keypoints (8, 2)."""
    rng = np.random.default_rng(seed)
    extra = {
        c.name: rng.integers(0, 256, (length, c.size[1], c.size[0], 3), np.uint8) for c in cameras
    }
    extra['keypoint'] = rng.normal(size=(length, 8, 2)).astype(np.float32)
    state, action = rng.normal(size=(2, length, 2)).astype(np.float32)
    return Episode(state, action, extra)
