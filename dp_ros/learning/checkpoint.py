"""Checkpoints: weights (safetensors), task description and training recipe in one folder.

    <name>/weights.safetensors   averaged weights and normalisers
    <name>/task.yaml             the task description it was trained with
    <name>/training.yaml         the recipe, which says of which method the policy is

Weights are float32, or float16 where the recipe says `half`; normalisers are always float32. What
is loaded is float32.

The identity is a hash of all three: two checkpoints with one identity are the same policy.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dp_ros import atomic, yamlfile
from dp_ros.learning.checkpoint_folder import (
    FILES,
    TASK,
    TRAINING,
    WEIGHTS,
    CheckpointError,
    require_files,
)
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.methods import load_recipe, make_policy
from dp_ros.task import Task


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint; `policy` is in evaluation mode."""

    name: str
    identity: str
    policy: ChunkPolicy

    @property
    def task(self) -> Task:
        """The description it was trained with."""
        return self.policy.task

    def require(self, task: Task, origin: str) -> None:
        """Raise CheckpointError unless `task`, read from `origin`, is the one trained with."""
        difference = self.task.difference(task)
        if difference is not None:
            raise CheckpointError(
                f'checkpoint {self.name!r} was trained for task {self.task.name!r}, and {origin} '
                f'describes {task.name!r}: they differ in {difference} (checkpoint against '
                f'{origin}). Use a checkpoint of that task, or its own task description.'
            )


def save(policy: ChunkPolicy, folder: Path) -> None:
    """Write `policy` to `folder`, each file whole or not at all; the weights come last."""
    atomic.write_text(folder / TASK, yamlfile.dump(policy.task))
    atomic.write_text(folder / TRAINING, yamlfile.dump(policy.recipe))
    with atomic.replacing(folder / WEIGHTS) as temporary:
        save_file(_tensors(policy), temporary)


def load(folder: Path | str) -> Checkpoint:
    """Read a checkpoint; raises CheckpointError or yamlfile.ConfigError."""
    folder = Path(folder)
    require_files(folder)
    policy = make_policy(yamlfile.load(Task, folder / TASK), load_recipe(folder / TRAINING))
    try:
        policy.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f'{folder / WEIGHTS} does not hold the weights that {folder / TRAINING} describes '
            f'(truncated, or of another network): {error}'
        ) from None
    return Checkpoint(folder.resolve().name, identity(folder), policy.eval())


def _tensors(policy: ChunkPolicy) -> dict[str, Tensor]:
    tensors = policy.state_dict()
    if policy.recipe.half:
        tensors |= {name: tensors[name].half() for name, _ in policy.named_parameters()}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def identity(folder: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 over the three files."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()[:16]
