"""The state of an interrupted training run: safetensors, so that nothing is ever unpickled."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from dp_ros import atomic
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recipe import Recipe
from dp_ros.task import Task

FILE = 'state.safetensors'


class ResumeError(ValueError):
    """A run's folder holds something else; the text names it."""


def save(
    folder: Path,
    policy: DiffusionPolicy,
    average: DiffusionPolicy,
    optimiser: torch.optim.Optimizer,
    task: Task,
    recipe: Recipe,
    step: int,
) -> None:
    """Write weights, averaged weights and optimiser moments after `step` steps, atomically."""
    tensors = {f'policy/{k}': v for k, v in policy.state_dict().items()}
    tensors |= {f'average/{k}': v for k, v in average.state_dict().items()}
    for index, moments in optimiser.state_dict()['state'].items():
        tensors |= {f'optimiser/{index}/{k}': v for k, v in moments.items()}
    with atomic.replacing(folder / FILE) as temporary:
        metadata = {'step': str(step), 'run': _fingerprint(task, recipe)}
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)


def restore(
    folder: Path,
    policy: DiffusionPolicy,
    average: DiffusionPolicy,
    optimiser: torch.optim.Optimizer,
    task: Task,
    recipe: Recipe,
) -> int:
    """Load a saved state into the three; returns the steps done, 0 where there is none."""
    path = folder / FILE
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework='pt') as stored:
            metadata = stored.metadata()
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ResumeError(
            f'{path} cannot be read ({error}); delete it to start this run anew'
        ) from None
    if metadata['run'] != _fingerprint(task, recipe):
        raise ResumeError(
            f'{path} belongs to a run with another task or recipe; give another output folder, '
            f'or delete that one'
        )
    policy.load_state_dict(_below('policy/', tensors))
    average.load_state_dict(_below('average/', tensors))
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _below('optimiser/', tensors).items():
        index, name = key.split('/')
        moments.setdefault(int(index), {})[name] = value
    groups = optimiser.state_dict()['param_groups']
    optimiser.load_state_dict({'state': moments, 'param_groups': groups})
    return int(metadata['step'])


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _fingerprint(task: Task, recipe: Recipe) -> str:
    return json.dumps([task.model_dump(mode='json'), recipe.model_dump(mode='json')])
