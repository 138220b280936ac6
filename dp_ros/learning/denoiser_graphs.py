"""The denoiser of a policy as exported graphs, of two parts (learning/stepwise.py)."""

import copy
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor, nn

from dp_ros.learning import guidance
from dp_ros.learning.graph_cache import Keep
from dp_ros.learning.onnx_network import Array, OnnxNetwork, exported
from dp_ros.learning.place import Network
from dp_ros.learning.plain_mish import make_plain
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.pulled_network import part_size, pulled_inputs, pulled_network
from dp_ros.learning.rows import by_rows
from dp_ros.learning.unet import ConditionalUnet1D


class DenoiserGraphs:
    """`prepare` what the steps need, then `step`; and `pull`, where a strategy differentiates.

    network: makes what runs a graph (learning/place.py), but the one of gradients, which always
    runs in ONNX Runtime: OpenVINO 2026.4 gives wrong ones for a transformer. batched: whether
    `step` is given several samples of a chunk at once.
    """

    def __init__(
        self,
        policy: DiffusionPolicy,
        network: Callable[[bytes], Network],
        keep: Keep,
        batched: bool,
        differentiates: bool,
    ) -> None:
        steps, conditions = torch.zeros(1, dtype=torch.int64), torch.zeros(1, policy.condition_dim)
        noisy = torch.zeros(1, *policy.input_shape)

        # Made once, and only where a graph has to be exported.
        denoiser = cache(partial(_for_one_core, policy))

        def prepare() -> bytes:
            inputs = {'steps': steps, 'condition': conditions}
            return exported(_Part(denoiser(), 'prepare'), inputs, batched=True)

        def step() -> bytes:
            inputs = {'noisy': noisy, 'part': torch.zeros(1, part_size(policy))}
            return exported(_Part(denoiser(), 'step'), inputs, batched)

        self._prepare = network(keep('prepare', prepare))
        self._step = network(keep(f'step, batched: {batched}', step))
        self._pull: OnnxNetwork | None = None
        if differentiates:
            self._pull = OnnxNetwork(keep('pull', partial(_pulled, policy)))

    def prepare(self, steps: list[int], condition: Array) -> dict[int, Array]:
        """What each of `steps` needs under `condition` (1, C): (1, P)."""
        each = np.repeat(condition, len(steps), axis=0)
        parts = self._prepare(np.array(steps), each)
        return {step: parts[i : i + 1] for i, step in enumerate(steps)}

    def step(self, noisy: Array, part: Array) -> Array:
        """Noisy (n, T_p, A), part (1, P) -> denoiser output (n, T_p, A)."""
        return self._step(noisy, part if len(noisy) == 1 else part.repeat(len(noisy), axis=0))

    def pull(
        self, x: Array, part: Array, goal: Array, weights: Array, share: float
    ) -> tuple[Array, Array]:
        """See `pulled_network`."""
        if self._pull is None:
            raise RuntimeError('the graph of derivatives was not asked for')
        output, product = self._pull.outputs(x, part, goal, weights, np.array(share, np.float32))
        return output, product


def _pulled(policy: DiffusionPolicy) -> bytes:
    return exported(pulled_network(policy), pulled_inputs(policy))


class _Part(nn.Module):
    """One method of a denoiser, as a module that can be exported."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network, self._method = network, method
        self.eval()

    def forward(self, *inputs: Tensor) -> Tensor:
        result: Tensor = getattr(self.network, self._method)(*inputs)
        return result


def _for_one_core(policy: DiffusionPolicy) -> nn.Module:
    """The denoiser as samplers use it, in the form that is fastest here."""
    if isinstance(policy.denoiser, ConditionalUnet1D):
        denoiser: nn.Module = by_rows(policy.denoiser)
    else:
        denoiser = copy.deepcopy(policy.denoiser).requires_grad_(False)
    make_plain(denoiser)
    weight = policy.recipe.diffusion.guidance
    return denoiser if weight is None else guidance.ClassifierFree(denoiser, weight)
