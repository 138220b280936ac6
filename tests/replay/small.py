"""A small task, policies of it that need no training, and a lock-step of it."""

import numpy as np
import torch

from dp_ros import yamlfile
from dp_ros.data.bag import open_bag
from dp_ros.learning import checkpoint
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.replay import lockstep, recording
from dp_ros.replay.injection import Injection
from dp_ros.replay.lockstep import Lockstep
from dp_ros.task import Task
from tests.data import drawn_bags
from tests.data.drawn_bags import START_NS

MS = 1_000_000
PROCESSING_NS = 60 * MS


def task(name='small', **changes):
    """The tip in, the tip out: T_o 2, T_p 8, T_a 2 at 10 Hz."""
    known = {
        'name': name,
        'rate_hz': 10,
        'horizons': {'observation': 2, 'prediction': 8, 'action': 2},
        'observations': [
            {'type': 'pose', 'name': 'tcp', 'topic': '/tcp_pose', 'components': ['x', 'y']}
        ],
        'action': {
            'space': 'cartesian',
            'components': ['x', 'y'],
            'fixed': {'z': 0.005, 'rx': 0, 'ry': 0, 'rz': 0},
        },
    }
    return yamlfile.parse(Task, known | changes, 'small')


def save_policy(folder, made=None, reach_m=0.02):
    """Write the checkpoint of a policy that has learnt nothing and wanders around the tip."""
    made = made or task()
    recipe = {
        'network': {'kind': 'mlp', 'width': 16, 'blocks': 1, 'step_embedding': 8},
        'features': {'kind': 'relative'},
        'diffusion': {'prediction': 'sample', 'inference_steps': 2},
        'optimiser': {'steps': 1},
    }
    torch.manual_seed(0)
    policy = DiffusionPolicy(made, yamlfile.parse(Recipe, recipe, 'small'))
    steps, horizon = made.horizons.observation, made.horizons.prediction
    tips = torch.rand(100, 1, made.observation_dim).expand(-1, steps, -1)
    away = reach_m * (2 * torch.rand(100, horizon, made.action_dim) - 1)
    policy.fit(tips, tips[:, -1:] + away)
    checkpoint.save(policy.eval(), folder)
    return folder


class Drawn:
    """A planner whose waypoints are `path(seconds)` x, y [m], as Planner is called.

    asked: (anchor [ns], what was committed, steps of delay) of each prediction.
    """

    def __init__(self, path, made=None, pins=False):
        self._path, self._task, self.pins = path, made or task(), pins
        self.asked = []

    def waypoints(self, window, frames, before=None, delay_steps=0):
        self.asked.append((window.anchor_ns, before, delay_steps))
        first = (window.anchor_ns - START_NS) / 1e9 - self._task.horizons.now * 0.1 + 0.1
        due = [first + 0.1 * i for i in range(self._task.horizons.prediction)]
        return np.array([[*self._path(t), 0.005, 0, 0, 0, 1] for t in due], float)


def play(
    folder,
    path=drawn_bags.tip,
    injection=None,
    processing_ns=PROCESSING_NS,
    made=None,
    planner=None,
):
    """Lock-step of the bag in `folder` with a planner that draws; (outcome, recording)."""
    made = made or task()
    planner = planner or Drawn(path, made)
    robot = drawn_bags.robot(*made.cameras)
    with open_bag(folder) as bag:
        found = recording.read(bag, made)
        loop = Lockstep(made, robot, planner, processing_ns, injection or Injection())
        messages = bag.messages(lockstep.topics(bag, made, robot))
        return loop.run(messages, found.stretches), found


def ms(stamp_ns):
    """Milliseconds after the start of a drawn bag."""
    return (stamp_ns - START_NS) / 1e6
