"""How good a policy is on windows that it has not learned from."""

import torch
from torch import Tensor

from dp_ros.data.windows import Windows
from dp_ros.learning.batches import batches
from dp_ros.learning.frozen_features import FrozenFeatures
from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy

_AT_ONCE = 64


@torch.no_grad()
def evaluate(
    policy: DiffusionPolicy,
    windows: Windows,
    features: FrozenFeatures | None = None,
    most: int = 512,
) -> dict[str, float]:
    """Validation loss, and the mean distance [task units] of the T_a executed actions.

    At most `most` windows, evenly spread; the noise is the same at every call. `features` are
    those of `windows`, where the encoders are frozen.
    """
    device = next(policy.denoiser.parameters()).device
    rows = torch.linspace(0, len(windows) - 1, min(most, len(windows))).long()
    vector = torch.from_numpy(windows.observations)[rows].to(device)
    actions = torch.from_numpy(windows.actions)[rows].to(device)
    seen = _look(policy, windows, rows, features)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(rows), *policy.noise_shape, generator=generator).to(device)
    steps = torch.randint(policy.schedule.steps, (len(rows),), generator=generator).to(device)
    observations = Observations(vector)
    loss = policy.loss(observations, actions, noise, steps, seen).item()
    horizons = policy.task.horizons
    executed = slice(horizons.now, horizons.now + horizons.action)
    predicted = policy.predict(observations, noise, seen=seen)
    error = (predicted - actions)[:, executed].norm(dim=-1).mean()
    return {'validation_loss': loss, 'action_error': error.item()}


def _look(
    policy: DiffusionPolicy, windows: Windows, rows: Tensor, features: FrozenFeatures | None
) -> Tensor | None:
    """Image features (B, T_o, V) of the windows; the images come a few at a time."""
    if policy.vision is None:
        return None
    if features is not None:
        return features(rows)
    device = str(next(policy.denoiser.parameters()).device)
    parts = batches(windows, rows.split(_AT_ONCE), device)
    return torch.cat([policy.vision(part.observations.images) for part in parts])
