"""dp-ros import-checkpoint: weights of the original project as a checkpoint of ours."""

from pathlib import Path

from rich.console import Console

from dp_ros import yamlfile
from dp_ros.learning import checkpoint, original_layout
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.task import load_task


def run(file: Path, task_file: Path, recipe_file: Path, out: Path, console: Console) -> None:
    """Write the policy of `file`, which `task` and `recipe` describe, to the folder `out`."""
    policy = DiffusionPolicy(load_task(task_file), yamlfile.load(Recipe, recipe_file))
    original_layout.fill(policy, original_layout.read(file))
    checkpoint.save(policy, out)
    count = sum(p.numel() for p in policy.denoiser.parameters())
    console.print(
        f'{policy.recipe.network.kind} of {count / 1e6:.2f} M parameters: {out}, identity '
        f'{checkpoint.identity(out)}',
        soft_wrap=True,
    )
