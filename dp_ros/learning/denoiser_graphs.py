"""The denoiser of a policy as exported graphs, of three parts (learning/stepwise.py)."""

from collections.abc import Callable
from functools import cached_property
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from dp_ros.learning.fast_form import for_one_core, for_torch
from dp_ros.learning.graph_cache import Keep
from dp_ros.learning.onnx_network import Array, OnnxNetwork, exported
from dp_ros.learning.place import Network
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.pulled_network import pulled_inputs, pulled_network
from dp_ros.learning.stepwise import Stepwise


class DenoiserGraphs:
    """`prepare` what the steps need, then `step`; and `pull`, where a strategy differentiates.

    network, narrow: make what runs a graph (learning/place.py), but the one of gradients, which
    always runs in ONNX Runtime: OpenVINO 2026.4 gives wrong ones for a transformer. batched:
    whether `step` is given several samples of a chunk at once.
    """

    def __init__(
        self,
        policy: DiffusionPolicy,
        network: Callable[[bytes], Network],
        narrow: Callable[[bytes], Network],
        keep: Keep,
        batched: bool,
        differentiates: bool,
    ) -> None:
        export = _Exports(policy)
        self._embed = network(keep('embed', export.embed))
        self._prepare = network(keep('prepare', export.prepare))
        step = keep(f'step, batched: {batched}', lambda: export.step(batched))
        self._step = network(step)
        self._narrow_step = self._step if narrow is network else narrow(step)
        self._pull: OnnxNetwork | None = None
        if differentiates:
            self._pull = OnnxNetwork(keep('pull', export.pull))
        self._embedded: dict[tuple[int, ...], Array] = {}

    def prepare(self, steps: list[int], condition: Array) -> dict[int, Array]:
        """What each of `steps` needs under `condition` (1, C): (1, P)."""
        visited = tuple(steps)
        if visited not in self._embedded:
            self._embedded[visited] = self._embed(np.array(steps))
        parts = self._prepare(self._embedded[visited], condition)
        return {step: parts[i : i + 1] for i, step in enumerate(steps)}

    def step(self, noisy: Array, part: Array, narrow: bool = False) -> Array:
        """Noisy (n, T_p, A), part (1, P) -> denoiser output (n, T_p, A)."""
        network = self._narrow_step if narrow else self._step
        return network(noisy, part if len(noisy) == 1 else part.repeat(len(noisy), axis=0))

    def pull(
        self, x: Array, part: Array, goal: Array, weights: Array, share: float
    ) -> tuple[Array, Array]:
        """See `pulled_network`."""
        if self._pull is None:
            raise RuntimeError('the graph of derivatives was not asked for')
        output, product = self._pull.outputs(x, part, goal, weights, np.array(share, np.float32))
        return output, product


class _Exports:
    """The graphs, and what they are exported from, made once and only where one is asked for."""

    def __init__(self, policy: DiffusionPolicy) -> None:
        self._policy = policy

    def embed(self) -> bytes:
        steps = torch.zeros(1, dtype=torch.int64)
        return exported(_Part(self._denoiser, 'embed'), {'steps': steps}, ['steps'])

    def prepare(self) -> bytes:
        embedded, condition, _ = self._examples
        inputs = {'embedded': embedded, 'condition': condition}
        return exported(_Part(self._denoiser, 'prepare'), inputs, ['embedded'])

    def step(self, batched: bool) -> bytes:
        _, _, part = self._examples
        inputs = {'noisy': torch.zeros(1, *self._policy.input_shape), 'part': part}
        return exported(_Part(self._denoiser, 'step'), inputs, list(inputs) if batched else [])

    def pull(self) -> bytes:
        _, _, part = self._examples
        inputs = pulled_inputs(self._policy, part)
        # The exporter knows no gradients of rows and of plain Mish.
        network = cast('Stepwise', for_torch(self._policy))
        pulled = pulled_network(self._policy, network, inputs)
        return exported(pulled, inputs)

    @cached_property
    def _denoiser(self) -> nn.Module:
        return for_one_core(self._policy)

    @cached_property
    def _examples(self) -> tuple[Tensor, Tensor, Tensor]:
        """Embedded step, condition and part."""
        network = cast('Stepwise', self._denoiser)
        condition = torch.zeros(1, self._policy.condition_dim)
        with torch.no_grad():
            embedded = network.embed(torch.zeros(1, dtype=torch.int64))
            return embedded, condition, network.prepare(embedded, condition)


class _Part(nn.Module):
    """One method of a denoiser, as a module that can be exported."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network, self._method = network, method
        self.eval()

    def forward(self, *inputs: Tensor) -> Tensor:
        result: Tensor = getattr(self.network, self._method)(*inputs)
        return result
