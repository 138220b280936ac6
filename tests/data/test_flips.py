"""Rotation vectors that leap are no data set."""

import numpy as np
import pytest

from dp_ros import yamlfile
from dp_ros.data.flips import Flips
from dp_ros.data.replay_buffer import DatasetError
from dp_ros.task import Task

HALF = 3.13


def task(observed, commanded, fixed=()):
    return yamlfile.parse(
        Task,
        {
            'name': 'turning',
            'rate_hz': 10,
            'horizons': {'observation': 2, 'prediction': 8, 'action': 4},
            'observations': [
                {'type': 'pose', 'name': 'goal', 'topic': '/goal', 'components': ['x']},
                {'type': 'pose', 'name': 'tcp', 'topic': '/tcp_pose', 'components': observed},
            ],
            'action': {
                'space': 'cartesian', 'components': commanded,
                'fixed': dict.fromkeys(fixed, 0.0),
            },
        },
        'test',
    )  # fmt: skip


def steps(first, second):
    return tuple(np.array(values, np.float32) for values in (first, second))


VECTOR = ['x', 'y', 'z', 'rx', 'ry', 'rz']


@pytest.mark.parametrize('what', ['observed', 'commanded'])
def test_a_vector_that_changes_its_sign_is_named_with_what_to_do(what):
    flips = Flips(task(VECTOR, VECTOR))
    calm, turned = [0.1, 0.2, 0.3, HALF, 0, 0], [0.1, 0.2, 0.3, -HALF, 0, 0]
    before = steps([9, *calm], calm)
    flips.check(before, before)
    now = steps([9, *turned], calm) if what == 'observed' else steps([9, *calm], turned)
    with pytest.raises(DatasetError, match=rf'the {what} rotation vector leaps by 6.26 .* r1, r2'):
        flips.check(before, now)


def test_what_is_no_rotation_vector_may_leap():
    flips = Flips(task(['x', 'y', 'yaw'], ['x', 'y', 'z'], ('rx', 'ry', 'rz')))
    flips.check(steps([9, 0, 0, 3], [0, 0, 0]), steps([0, 9, 9, -3], [9, 9, 9]))
