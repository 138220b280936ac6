"""What chunks are compared with: the policy as people run it."""

from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

from dp_ros.learning.observations import Observations
from dp_ros.learning.policy import DiffusionPolicy

REFERENCE = 'plain PyTorch (inference mode) with DDIMScheduler or DDPMScheduler of diffusers'


class Reference:
    """A policy as `REFERENCE` says, on `device` of torch."""

    def __init__(self, policy: DiffusionPolicy, device: str) -> None:
        self._policy, self._device = policy.to(device), device
        diffusion = policy.recipe.diffusion
        kind = DDIMScheduler if diffusion.sampler == 'ddim' else DDPMScheduler
        self._scheduler = kind(
            num_train_timesteps=diffusion.training_steps,
            beta_schedule='squaredcos_cap_v2',
            clip_sample=True,
            prediction_type='epsilon',
        )
        self._scheduler.set_timesteps(diffusion.inference_steps, device)
        # As in our sampler the noise follows from the clipped sample.
        ddim = diffusion.sampler == 'ddim'
        self._options = {'use_clipped_model_output': True} if ddim else {}

    @torch.inference_mode()
    def predict(
        self, vector: np.ndarray, noise: np.ndarray, frames: dict[str, list[Any]]
    ) -> np.ndarray:
        """A chunk (T_p, A), from what Engine.predict takes."""
        policy = self._policy
        window = torch.from_numpy(vector)[None].to(self._device)
        images = {
            name: torch.from_numpy(np.stack([image for _, image in steps]))[None].to(self._device)
            for name, steps in frames.items()
        }
        seen = policy.look(Observations(window, images))
        condition = policy.condition(window, seen)
        x = torch.from_numpy(noise).to(self._device)
        for step in self._scheduler.timesteps:
            output = policy.denoiser(x, step[None], condition)
            x = self._scheduler.step(output, step, x, **self._options).prev_sample
        return policy.decode(window, x)[0].cpu().numpy()
