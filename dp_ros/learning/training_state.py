"""The state of an interrupted training run: safetensors, so that nothing is ever unpickled."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from dp_ros import atomic
from dp_ros.data.windows import Windows
from dp_ros.learning.descent import Descent

FILE = 'state.safetensors'


class ResumeError(ValueError):
    """A run's folder holds something else; the text names it."""


@dataclass(frozen=True)
class TrainingState:
    """What a run goes on with, and `identity`: what it must agree in, by name, as JSON values."""

    model: nn.Module
    average: nn.Module
    descent: Descent
    identity: Mapping[str, Any]


def exists(folder: Path) -> bool:
    """Whether a run has saved its state in `folder`."""
    return (folder / FILE).exists()


def data_identity(windows: Windows) -> dict[str, Any]:
    """Which data a run learns from: count of windows, and a digest of what was done in them."""
    digest = hashlib.sha256()
    for rows in (windows.observations, windows.actions):
        digest.update(np.ascontiguousarray(rows).tobytes())
    return {'windows': len(windows), 'digest': digest.hexdigest()[:16]}


def save(folder: Path, state: TrainingState, step: int) -> None:
    """Write weights, averaged weights and optimiser moments after `step` steps, atomically."""
    tensors = {f'model/{k}': v for k, v in state.model.state_dict().items()}
    tensors |= {f'average/{k}': v for k, v in state.average.state_dict().items()}
    for index, moments in state.descent.optimiser.state_dict()['state'].items():
        tensors |= {f'optimiser/{index}/{k}': v for k, v in moments.items()}
    metadata = {
        'step': str(step),
        'identity': json.dumps(state.identity),
        'scaler': json.dumps(state.descent.scaler.state_dict()),
    }
    with atomic.replacing(folder / FILE) as temporary:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)


def restore(folder: Path, state: TrainingState) -> int:
    """Load a saved state into `state`; returns the steps done, 0 where there is none."""
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
    _check(path, json.loads(metadata.get('identity', '{}')), state.identity)
    state.model.load_state_dict(_below('model/', tensors))
    state.average.load_state_dict(_below('average/', tensors))
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _below('optimiser/', tensors).items():
        index, name = key.split('/')
        moments.setdefault(int(index), {})[name] = value
    optimiser = state.descent.optimiser
    groups = optimiser.state_dict()['param_groups']
    optimiser.load_state_dict({'state': moments, 'param_groups': groups})
    scaler = json.loads(metadata['scaler'])
    if scaler:
        state.descent.scaler.load_state_dict(scaler)
    return int(metadata['step'])


def _check(path: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    wanted = json.loads(json.dumps(wanted))
    other = [name for name, value in wanted.items() if stored.get(name) != value]
    if other:
        raise ResumeError(
            f'{path} belongs to a run with another {" and another ".join(other)}; give another '
            f'output folder, or delete that one'
        )


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
