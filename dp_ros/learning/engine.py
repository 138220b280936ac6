"""A diffusion policy as the robot uses it, fast."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dp_ros.learning import samplers
from dp_ros.learning.chunk_engine import ChunkEngine
from dp_ros.learning.committed import Committed
from dp_ros.learning.onnx_network import Array, OnnxNetwork
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.pulled_network import pulled_inputs, pulled_network
from dp_ros.learning.transition import Denoising, Transition


class Engine(ChunkEngine[DiffusionPolicy]):
    """A diffusion policy on `device`, whose chunks are joined by any transition that fits it.

    On a CPU the networks run in ONNX Runtime (all samples of a chunk in one call, the gradients of
    guidance, too) and the rest of the arithmetic in numpy: next to a thread that serves ROS
    callbacks, each of torch's many small operations would have to win the interpreter back.
    Elsewhere the plain policy is used.
    """

    def __init__(
        self,
        policy: DiffusionPolicy,
        device: str = 'cpu',
        transition: str | Transition = '',
    ) -> None:
        super().__init__(policy, device, transition)
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

    def _actions(
        self,
        window: Tensor,
        noise: Array,
        seen: Tensor | None,
        plan: Tensor | None,
        delay_steps: int,
    ) -> Tensor:
        committed = self._policy.committed(window, plan, delay_steps)
        condition = self._policy.condition(window, seen)
        if self._network is None:
            denoising = self._policy.denoising(condition)
            clean = self.transition(denoising, self._tensor(noise), committed)
        else:
            arrays = self._denoising(self._network, condition.numpy())
            known = None if committed is None else _as_arrays(committed)
            clean = torch.from_numpy(self.transition(arrays, noise[None], known))
        return self._policy.decode(window, clean)

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


def _as_arrays(committed: Committed[Tensor]) -> Committed[Array]:
    return Committed(committed.target.numpy(), committed.weights.numpy(), committed.executed)
