"""A training run as a process of its own: argument 1 is its folder, 2 the count of readers.

For tests that kill it, and for those that start several with torchrun.
"""

import json
import sys
from pathlib import Path

import image_windows
import numpy as np
import torch

from dp_ros import yamlfile
from dp_ros.data.windows import Windows
from dp_ros.learning import distributed
from dp_ros.learning.job import Machine
from dp_ros.learning.recipe import Recipe
from dp_ros.learning.train import train
from dp_ros.task import Task


def main(folder, workers):
    torch.set_num_threads(1)
    task = yamlfile.load(Task, folder / 'task.yaml')
    if task.cameras:
        windows = image_windows.make()
    else:
        stored = np.load(folder / 'windows.npz')
        windows = Windows(stored['observations'], stored['actions'])
    losses = []

    def report(progress):
        losses.append(progress.loss)
        print(progress.step, flush=True)

    with distributed.joined('cpu') as peers:
        train(
            task,
            yamlfile.load(Recipe, folder / 'recipe.yaml'),
            windows,
            windows,
            folder / 'run',
            Machine(workers=workers, peers=peers),
            report=report,
        )
        assert peers.agree(str(peers.rank)) == (peers.count == 1)
        if peers.first:
            (folder / 'losses.json').write_text(json.dumps(losses))
        else:
            assert losses == [], 'only the first process reports'
    left = [task.read_text() for task in Path('/proc/self/task').glob('*/comm')]
    assert not [name for name in left if 'gloo' in name], 'threads that may abort the process'


if __name__ == '__main__':
    main(Path(sys.argv[1]), int(sys.argv[2]))
