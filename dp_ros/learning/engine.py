"""A loaded policy as the robot uses it: one window and its noise in, one chunk out, as arrays."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from dp_ros.learning import sampler
from dp_ros.learning.onnx_network import Array, OnnxNetwork
from dp_ros.learning.policy import DiffusionPolicy


class Engine:
    """`policy` on `device`, ready to denoise single chunks.

    On a CPU the network runs in ONNX Runtime and the sampler's arithmetic in numpy: next to a
    thread that serves ROS callbacks, each of torch's many small operations would have to win the
    interpreter back. Elsewhere, and for the DDPM sampler, the plain policy is used.

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
        self._network: OnnxNetwork | None = None
        if self._device.type == 'cpu' and policy.recipe.diffusion.sampler == 'ddim':
            task = policy.task
            window = torch.zeros(1, task.horizons.observation, task.observation_dim)
            condition = policy.condition(window).shape[-1]
            self._network = OnnxNetwork(policy.denoiser, policy.noise_shape, condition)

    @torch.inference_mode()
    def predict(self, observations: ArrayLike, noise: ArrayLike) -> NDArray[np.float64]:
        """Observations (T_o, D) and noise (T_p, A) -> actions (T_p, A) in task units."""
        seen = torch.as_tensor(np.asarray(observations, dtype=np.float32), device=self._device)
        start = np.asarray(noise, dtype=np.float32)[None]
        if self._network is None:
            actions = self._policy.predict(seen[None], torch.as_tensor(start, device=self._device))
        else:
            condition = self._policy.condition(seen[None]).numpy()
            clean = self._denoise(self._network, condition, start)
            actions = self._policy.decode(seen[None], torch.from_numpy(clean))
        return actions[0].double().cpu().numpy()

    def warm_up(self) -> None:
        """Denoise one chunk of nothing, so that the first real one is as fast as the rest."""
        task = self._policy.task
        window = np.zeros((task.horizons.observation, task.observation_dim))
        self.predict(window, np.zeros(self.noise_shape))

    def _denoise(self, network: OnnxNetwork, condition: Array, noise: Array) -> Array:
        policy = self._policy

        def denoise(x: Array, step: int) -> Array:
            return network(x, np.full(1, step), condition)

        prediction = policy.recipe.diffusion.prediction
        return sampler.ddim(denoise, noise, policy.schedule, policy.inference_steps, prediction)
