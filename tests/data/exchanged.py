"""Episodes to be exchanged with others: smooth pictures, which a video codec can be held to."""

import numpy as np

from dp_ros import yamlfile
from dp_ros.data.replay_buffer import Episode
from dp_ros.task import Task

POSE = ['x', 'y', 'z', 'rx', 'ry', 'rz']


def smooth(length, size, seed):
    """Frames (L, H, W, 3) of slow waves that move."""
    width, height = size
    t, y, x = np.ogrid[0:length, 0:height, 0:width]
    waves = [
        np.sin(x / 20 + t / 5 + seed) + 0 * y,
        np.cos(y / 15 + seed) + 0 * x * t,
        np.sin((x + y) / 25 + t / 9),
    ]
    return (127 + 90 * np.stack(waves, axis=-1)).round().astype(np.uint8)


def episode(length, seed, *cameras):
    """An episode of random rows, seen by the cameras, with stamps and keypoints."""
    rng = np.random.default_rng(seed)
    state, action = rng.normal(size=(2, length, 2)).astype(np.float32)
    extra = {c.name: smooth(length, c.size, seed) for c in cameras}
    extra['keypoint'] = rng.normal(size=(length, 8, 2)).astype(np.float32)
    extra['stamp'] = 1_700_000_000_123_456_789 + np.arange(length) * 100_000_001 + seed
    return Episode(state, action, extra)


def pose_task(*cameras, gripper=False):
    """A task of whole poses, with a gripper in the observation if asked for."""
    streams = [{'type': 'pose', 'name': 'tcp', 'topic': '/tcp_pose', 'components': POSE}]
    if gripper:
        streams.append(
            {'type': 'joints', 'name': 'gripper', 'topic': '/gripper', 'components': ['width']}
        )
    return yamlfile.parse(
        Task,
        {
            'name': 'poses',
            'rate_hz': 10,
            'horizons': {'observation': 2, 'prediction': 8, 'action': 4},
            'observations': [*streams, *(camera.model_dump() for camera in cameras)],
            'action': {'space': 'cartesian', 'components': POSE},
        },
        'poses',
    )


def psnr(found, wanted):
    """How close two pictures of 8 bits are [dB]."""
    return 10 * np.log10(255**2 / np.mean((found.astype(float) - wanted) ** 2))
