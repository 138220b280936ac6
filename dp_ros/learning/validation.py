"""How good a policy is on windows that it has not learned from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dp_ros.data.windows import Windows
from dp_ros.learning.batches import batches
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.frozen_features import FrozenFeatures
from dp_ros.learning.observations import Observations
from dp_ros.task import Task

_AT_ONCE = 64


@dataclass(frozen=True)
class Sample:
    """At most `most` windows, evenly spread, and noise (B, *noise_shape): the same at every call.

    rows: (B,) of the windows; actions: (B, T_p, A); seen: image features (B, T_o, V).
    """

    rows: Tensor
    observations: Observations
    actions: Tensor
    seen: Tensor | None
    noise: Tensor
    generator: torch.Generator


@torch.no_grad()
def evaluate(
    policy: ChunkPolicy, windows: Windows, features: FrozenFeatures | None = None
) -> dict[str, float]:
    """Validation loss, and the mean distance [task units] of the T_a executed actions.

    `features` are those of `windows`, where the encoders are frozen.
    """
    taken = sample(policy, windows, features)
    later = None if windows.later is None else torch.from_numpy(windows.later)[taken.rows]
    loss = policy.held_out_loss(
        taken.observations,
        taken.actions,
        taken.noise,
        taken.generator,
        taken.seen,
        None if later is None else later.to(policy.device),
    )
    predicted = policy.predict(taken.observations, taken.noise, seen=taken.seen)
    error = action_error(policy.task, predicted, taken.actions)
    return {'validation_loss': loss.item(), 'action_error': error}


def action_error(task: Task, chunks: Tensor, others: Tensor) -> float:
    """Mean distance [task units] of the T_a executed actions of chunks (B, T_p, A)."""
    executed = slice(task.horizons.now, task.horizons.now + task.horizons.action)
    return (chunks - others)[:, executed].norm(dim=-1).mean().item()


@torch.no_grad()
def sample(
    policy: ChunkPolicy,
    windows: Windows,
    features: FrozenFeatures | None = None,
    most: int = 512,
) -> Sample:
    """Windows for `policy` to be tried on; `features` as for `evaluate`."""
    device = policy.device
    rows = torch.linspace(0, len(windows) - 1, min(most, len(windows))).long()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(rows), *policy.noise_shape, generator=generator).to(device)
    return Sample(
        rows,
        Observations(torch.from_numpy(windows.observations)[rows].to(device)),
        torch.from_numpy(windows.actions)[rows].to(device),
        _look(policy, windows, rows, features),
        noise,
        generator,
    )


def _look(
    policy: ChunkPolicy, windows: Windows, rows: Tensor, features: FrozenFeatures | None
) -> Tensor | None:
    """Image features (B, T_o, V) of the windows; the images come a few at a time."""
    if policy.vision is None:
        return None
    if features is not None:
        return features(rows)
    parts = batches(windows, rows.split(_AT_ONCE), str(policy.device))
    return torch.cat([policy.vision(part.observations.images) for part in parts])
