"""A training loop as the original project has it, to be compared with (written anew, not copied).

Chi et al. 2023's workspaces: the whole replay buffer in memory, a window cut and padded for each
index, images as float32 in [0, 1], torch's DataLoader in the process itself, the scheduler of
diffusers, AdamW, a cosine schedule, and an average of the weights after each step, parameter by
parameter.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from dp_ros.data.replay_buffer import Episode
from dp_ros.learning.augment import crop_size
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.task import Horizons


class ReplayDataset(Dataset[dict[str, Tensor]]):
    """Every window of some episodes; `frames[camera]` (N, H, W, 3) uint8 of all their steps."""

    def __init__(
        self,
        episodes: Sequence[Episode],
        frames: Mapping[str, NDArray[np.uint8]],
        horizons: Horizons,
    ) -> None:
        self._state = np.concatenate([episode.state for episode in episodes])
        self._action = np.concatenate([episode.action for episode in episodes])
        self._frames, self._horizons = frames, horizons
        before, after = horizons.observation - 1, horizons.action - 1
        self._windows: list[tuple[int, int, int]] = []
        for episode in episodes:
            start, end = episode.start, episode.start + len(episode)
            last = end + after - horizons.prediction
            self._windows += [(at, start, end) for at in range(start - before, last + 1)]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        at, start, end = self._windows[index]
        rows = np.clip(np.arange(at, at + self._horizons.prediction), start, end - 1)
        seen = rows[: self._horizons.observation]
        found = {'state': self._state[seen], 'action': self._action[rows]}
        for camera, frames in self._frames.items():
            found[camera] = np.moveaxis(frames[seen], -1, 1).astype(np.float32) / 255
        return {name: torch.from_numpy(values) for name, values in found.items()}


def train(
    policy: DiffusionPolicy,
    dataset: ReplayDataset,
    batch: int,
    on_step: Callable[[float, float], None],
) -> None:
    """Learn until `on_step`(seconds, of which waited for data) raises."""
    from diffusers import DDPMScheduler  # of the extra `test`
    from diffusers.optimization import get_scheduler

    loader: DataLoader[Any] = DataLoader(dataset, batch, shuffle=True, drop_last=True)
    diffusion = policy.recipe.diffusion
    noising = DDPMScheduler(diffusion.training_steps, beta_schedule='squaredcos_cap_v2')
    optimiser = torch.optim.AdamW(
        policy.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6
    )
    rates = get_scheduler('cosine', optimiser, num_warmup_steps=500, num_training_steps=10_000)
    average = copy.deepcopy(policy).eval().requires_grad_(False)
    coming, step = _forever(loader), 0
    while True:
        begun = time.perf_counter()
        examples = next(coming)
        waited = time.perf_counter() - begun
        loss = _loss(policy, noising, examples)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        rates.step()
        _move(average, policy, min(0.9999, 1 - (1 + step) ** -0.75))
        loss.item()
        step += 1
        on_step(time.perf_counter() - begun, waited)


def _forever(loader: DataLoader[Any]) -> Iterator[dict[str, Tensor]]:
    while True:
        yield from loader


def _loss(policy: DiffusionPolicy, noising: Any, examples: dict[str, Tensor]) -> Tensor:
    vector = examples['state']
    seen = [policy.steps(vector)]
    if policy.vision is not None:
        for name, camera in policy.vision.cameras.items():
            images = examples[name].flatten(0, 1)  # (B * T_o, 3, H, W)
            images = _cropped(images, crop_size(camera.size, policy.vision.recipe.crop))
            encoded = policy.vision.encoder(name)(images)
            seen.append(encoded.unflatten(0, vector.shape[:2]))
    clean = policy.encode(vector, examples['action'])
    noise = torch.randn(clean.shape)
    steps = torch.randint(noising.config.num_train_timesteps, (len(clean),))
    noisy = noising.add_noise(clean, noise, steps)
    output = policy.denoiser(noisy, steps, torch.cat(seen, dim=-1).flatten(1))
    return functional.mse_loss(output, noise)


def _cropped(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Each image (B, 3, H, W) at a place of its own."""
    width, height = size
    spare = images.shape[-2] - height + 1, images.shape[-1] - width + 1
    tops = torch.randint(spare[0], (len(images),)).tolist()
    lefts = torch.randint(spare[1], (len(images),)).tolist()
    return torch.stack([
        image[:, top : top + height, left : left + width]
        for image, top, left in zip(images, tops, lefts, strict=True)
    ])  # fmt: skip


@torch.no_grad()
def _move(average: nn.Module, policy: nn.Module, decay: float) -> None:
    for mine, other in zip(average.parameters(), policy.parameters(), strict=True):
        mine.mul_(decay).add_(other, alpha=1 - decay)
