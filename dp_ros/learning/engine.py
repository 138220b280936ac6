"""A loaded policy as the robot uses it: one window and its noise in, one chunk out, as arrays."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from dp_ros.data.alignment import StampedImage
from dp_ros.learning import prefix, samplers, transition
from dp_ros.learning.committed import Committed
from dp_ros.learning.eyes import Eyes
from dp_ros.learning.onnx_network import Array, OnnxNetwork
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.pulled_network import pulled_inputs, pulled_network
from dp_ros.learning.transition import CleanPrefix, Denoising, Transition


class Engine:
    """`policy` on `device`, ready to denoise single chunks that are joined by `transition`.

    On a CPU the networks run in ONNX Runtime (all samples of a chunk in one call, the gradients of
    guidance, too) and the rest of the arithmetic in numpy: next to a thread that serves ROS
    callbacks, each of torch's many small operations would have to win the interpreter back.
    Elsewhere the plain policy is used. A frame that was seen before is not encoded again. All
    methods are called from one thread. noise_shape: (n, T_p, A), n samples.

    Raises RuntimeError if torch does not know the device, and ValueError where it is not there, or
    where the policy cannot be joined in this way.
    """

    def __init__(
        self,
        policy: DiffusionPolicy,
        device: str = 'cpu',
        transition: str | Transition = transition.DEFAULT,
    ) -> None:
        self._device = torch.device(device)
        if self._device.type == 'cuda' and not torch.cuda.is_available():
            raise ValueError(
                f'device {device!r} was asked for, but torch sees no GPU; use device cpu, or '
                f'install a CUDA build of torch'
            )
        self.transition = _chosen(transition, policy)
        self._policy = policy.to(self._device).eval()
        self.noise_shape = (self.transition.samples, *policy.noise_shape)
        self._eyes = None if policy.vision is None else Eyes(policy.vision, self._device)
        self._network: OnnxNetwork | None = None
        self._pulled: OnnxNetwork | None = None
        if self._device.type == 'cpu':
            examples = {
                'noisy': torch.zeros(1, *policy.input_shape),
                'steps': torch.zeros(1, dtype=torch.int64),
                'condition': torch.zeros(1, policy.condition_dim),
            }
            batched = self.transition.samples > 1
            self._network = OnnxNetwork(policy.guided, examples, batched)
            if self.transition.differentiates:
                self._pulled = OnnxNetwork(pulled_network(policy), pulled_inputs(policy))

    @torch.inference_mode()
    def encode(self, camera: str, stamp_ns: int, image: NDArray[np.uint8]) -> None:
        """Encode a prepared frame ahead of the window that it will belong to."""
        if self._eyes is not None:
            self._eyes.features(camera, stamp_ns, image)

    @torch.no_grad()
    def predict(
        self,
        vector: ArrayLike,
        noise: ArrayLike,
        frames: Mapping[str, Sequence[StampedImage]] | None = None,
        before: ArrayLike | None = None,
        delay_steps: int = 0,
    ) -> NDArray[np.float64]:
        """Vector (T_o, D), noise (n, T_p, A), frames of each camera (T_o) -> actions (T_p, A).

        before: the plan before (T_p, A), step for step beside the new one, NaN where it has no
        action; its first `delay_steps` actions from now on will be executed. All actions are in
        task units. Raises ValueError for arrays or frames of a wrong size or number.
        """
        noise = np.asarray(noise, dtype=np.float32)
        if noise.shape != self.noise_shape:
            raise ValueError(f'expected noise of shape {self.noise_shape}, found {noise.shape}')
        seen = self._look(frames or {})
        window = self._tensor(vector)
        plan = None if before is None else self._tensor(before)
        committed = self._policy.committed(window, plan, delay_steps)
        condition = self._policy.condition(window, seen)
        if self._network is None:
            denoising = self._policy.denoising(condition)
            clean = self.transition(denoising, self._tensor(noise), committed)
        else:
            arrays = self._denoising(self._network, condition.numpy())
            known = None if committed is None else _as_arrays(committed)
            clean = torch.from_numpy(self.transition(arrays, noise[None], known))
        return self._policy.decode(window, clean)[0].double().cpu().numpy()

    def warm_up(self) -> None:
        """Denoise two chunks of nothing, so that the first real ones are as fast as the rest.

        The second one goes on from the first.
        """
        task = self._policy.task
        window = np.zeros((task.horizons.observation, task.observation_dim))
        frames = {
            camera.name: [
                (i, np.zeros((*camera.size[::-1], 3), np.uint8)) for i in range(-len(window), 0)
            ]
            for camera in task.cameras
        }
        noise = np.zeros(self.noise_shape)
        first = self.predict(window, noise, frames)
        self.predict(window, noise, frames, first, 1)

    def _tensor(self, values: ArrayLike) -> Tensor:
        """A batch of one."""
        array = np.asarray(values, dtype=np.float32)
        return torch.as_tensor(array, device=self._device)[None]

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

    def _denoising(self, network: OnnxNetwork, condition: Array) -> Denoising[Array]:
        """The denoiser under `condition` (1, C) in ONNX Runtime."""
        policy = self._policy

        def denoise(x: Array, step: int, mask: NDArray[np.bool_] | None = None) -> Array:
            given = policy.with_mask(x, mask)
            each = np.repeat(condition, len(x), axis=0)
            return network(given, np.full(len(x), step), each)

        def pull(
            x: Array, step: int, goal: Array, weights: Array, share: float
        ) -> tuple[Array, Array]:
            assert self._pulled is not None
            steps = np.full(1, step, np.float32)
            factor = np.array(share, np.float32)
            output, product = self._pulled.outputs(x, steps, condition, goal, weights, factor)
            return output, product

        diffusion = policy.recipe.diffusion
        return Denoising(
            denoise,
            policy.schedule,
            policy.inference_steps,
            diffusion.prediction,
            samplers.chosen(diffusion),
            masked=denoise if diffusion.prefix else None,
            pull=pull,
        )


def _chosen(chosen: str | Transition, policy: DiffusionPolicy) -> Transition:
    """The strategy, if the policy can be joined by it; else ValueError."""
    found = transition.named(chosen) if isinstance(chosen, str) else chosen
    if isinstance(found, CleanPrefix) and policy.recipe.diffusion.prefix is None:
        raise ValueError(prefix.NOT_TRAINED)
    return found


def _as_arrays(committed: Committed[Tensor]) -> Committed[Array]:
    return Committed(committed.target.numpy(), committed.weights.numpy(), committed.executed)
