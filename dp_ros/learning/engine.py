"""A loaded policy as the robot uses it: one window and its noise in, one chunk out, as arrays."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from dp_ros.data.alignment import StampedImage
from dp_ros.learning import sampler
from dp_ros.learning.eyes import Eyes
from dp_ros.learning.observations import Observations
from dp_ros.learning.onnx_network import Array, OnnxNetwork
from dp_ros.learning.policy import DiffusionPolicy


class Engine:
    """`policy` on `device`, ready to denoise single chunks.

    On a CPU the networks run in ONNX Runtime and the sampler's arithmetic in numpy: next to a
    thread that serves ROS callbacks, each of torch's many small operations would have to win the
    interpreter back. Elsewhere, and for the DDPM sampler, the plain policy is used. A frame that
    was seen before is not encoded again. All methods are called from one thread.

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
        self._eyes = None if policy.vision is None else Eyes(policy.vision, self._device)
        self._network: OnnxNetwork | None = None
        if self._device.type == 'cpu' and policy.recipe.diffusion.sampler == 'ddim':
            examples = {
                'noisy': torch.zeros(1, *policy.noise_shape),
                'steps': torch.zeros(1, dtype=torch.int64),
                'condition': torch.zeros(1, policy.condition_dim),
            }
            self._network = OnnxNetwork(policy.denoiser, examples)

    @torch.inference_mode()
    def encode(self, camera: str, stamp_ns: int, image: NDArray[np.uint8]) -> None:
        """Encode a prepared frame ahead of the window that it will belong to."""
        if self._eyes is not None:
            self._eyes.features(camera, stamp_ns, image)

    @torch.inference_mode()
    def predict(
        self,
        vector: ArrayLike,
        noise: ArrayLike,
        frames: Mapping[str, Sequence[StampedImage]] | None = None,
    ) -> NDArray[np.float64]:
        """Vector (T_o, D), noise (T_p, A), frames of each camera (T_o) -> actions (T_p, A).

        The actions are in task units. Raises ValueError for frames of a wrong size or number.
        """
        seen = self._look(frames or {})
        window = torch.as_tensor(np.asarray(vector, dtype=np.float32), device=self._device)[None]
        start = np.asarray(noise, dtype=np.float32)[None]
        if self._network is None:
            given = torch.as_tensor(start, device=self._device)
            actions = self._policy.predict(Observations(window), given, seen=seen)
        else:
            condition = self._policy.condition(window, seen).numpy()
            clean = self._denoise(self._network, condition, start)
            actions = self._policy.decode(window, torch.from_numpy(clean))
        return actions[0].double().cpu().numpy()

    def warm_up(self) -> None:
        """Denoise one chunk of nothing, so that the first real one is as fast as the rest."""
        task = self._policy.task
        window = np.zeros((task.horizons.observation, task.observation_dim))
        frames = {
            camera.name: [
                (i, np.zeros((*camera.size[::-1], 3), np.uint8)) for i in range(-len(window), 0)
            ]
            for camera in task.cameras
        }
        self.predict(window, np.zeros(self.noise_shape), frames)

    def _look(self, frames: Mapping[str, Sequence[StampedImage]]) -> Tensor | None:
        """Features (1, T_o, V) of the frames, in task order."""
        if self._eyes is None:
            return None
        task, found = self._policy.task, {name: len(steps) for name, steps in frames.items()}
        wanted = {camera.name: task.horizons.observation for camera in task.cameras}
        if found != wanted:
            raise ValueError(f'expected frames of the cameras {wanted}, found {found}')
        cameras = [
            np.stack([self._eyes.features(name, stamp, image) for stamp, image in frames[name]])
            for name in wanted
        ]
        return torch.from_numpy(np.concatenate(cameras, axis=-1)).to(self._device)[None]

    def _denoise(self, network: OnnxNetwork, condition: Array, noise: Array) -> Array:
        policy = self._policy

        def denoise(x: Array, step: int) -> Array:
            return network(x, np.full(1, step), condition)

        prediction = policy.recipe.diffusion.prediction
        return sampler.ddim(denoise, noise, policy.schedule, policy.inference_steps, prediction)
