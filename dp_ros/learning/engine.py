"""A loaded policy as the robot uses it: one window and its noise in, one chunk out, as arrays."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from dp_ros.learning.policy import DiffusionPolicy


class Engine:
    """`policy` on `device`, ready to denoise single chunks.

    Raises RuntimeError if torch does not know the device, and ValueError where it is not there.
    """

    def __init__(self, policy: DiffusionPolicy, device: str = 'cpu') -> None:
        self._device = torch.device(device)
        if self._device.type == 'cuda' and not torch.cuda.is_available():
            raise ValueError(
                f'device {device!r} was asked for, but torch sees no GPU; use device cpu, or '
                f'install a CUDA build of torch'
            )
        self._policy = policy.to(self._device).eval()
        self.noise_shape = policy.noise_shape

    @torch.inference_mode()
    def predict(self, observations: ArrayLike, noise: ArrayLike) -> NDArray[np.float64]:
        """Observations (T_o, D) and noise (T_p, A) -> actions (T_p, A) in task units."""
        seen = torch.as_tensor(np.asarray(observations, dtype=np.float32), device=self._device)
        start = torch.as_tensor(np.asarray(noise, dtype=np.float32), device=self._device)
        actions = self._policy.predict(seen[None], start[None])[0]
        return actions.double().cpu().numpy()

    def warm_up(self) -> None:
        """Denoise one chunk of nothing, so that the first real one is as fast as the rest."""
        task = self._policy.task
        window = np.zeros((task.horizons.observation, task.observation_dim))
        self.predict(window, np.zeros(self.noise_shape))
