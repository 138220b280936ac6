"""A training run as a process of its own, for the test that kills it: argument 1 is its folder."""

import sys
from pathlib import Path

import numpy as np
import torch

from dp_ros import yamlfile
from dp_ros.data.windows import Windows
from dp_ros.learning.recipe import Recipe
from dp_ros.learning.train import train
from dp_ros.task import Task

torch.set_num_threads(1)
folder = Path(sys.argv[1])
windows = Windows(**np.load(folder / 'windows.npz'))
train(
    yamlfile.load(Task, folder / 'task.yaml'),
    yamlfile.load(Recipe, folder / 'recipe.yaml'),
    windows,
    windows,
    folder / 'run',
    report=lambda progress: print(progress.step, flush=True),
)
