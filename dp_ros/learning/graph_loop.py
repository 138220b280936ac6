"""The loop of denoising on a CPU: the denoiser as graphs, the rest of the arithmetic in numpy."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dp_ros.learning.committed import Committed
from dp_ros.learning.denoiser_graphs import DenoiserGraphs
from dp_ros.learning.onnx_network import Array
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.transition import Denoising, Transition


class GraphLoop:
    """Next to a thread that serves ROS callbacks, each of torch's many small operations would have
    to win the interpreter back; a graph is one call.
    """

    def __init__(
        self, policy: DiffusionPolicy, transition: Transition, graphs: DenoiserGraphs
    ) -> None:
        self._policy, self._transition, self._graphs = policy, transition, graphs

    def __call__(
        self,
        visited: list[int],
        condition: Tensor,
        noise: Array,
        committed: Committed[Tensor] | None,
    ) -> Tensor:
        """Condition (1, C), noise (n, T_p, A) -> clean (1, T_p, A), in the denoiser's terms."""
        denoising = self._denoising(condition.numpy(), visited)
        known = None if committed is None else _as_arrays(committed)
        return torch.from_numpy(self._transition(denoising, noise[None], known))

    def _denoising(self, condition: Array, visited: list[int]) -> Denoising[Array]:
        policy, graphs = self._policy, self._graphs
        parts = graphs.prepare(visited, condition)

        def denoise(x: Array, step: int, mask: NDArray[np.bool_] | None = None) -> Array:
            return graphs.step(policy.with_mask(x, mask), parts[step], step != visited[-1])

        def pull(
            x: Array, step: int, goal: Array, weights: Array, share: float
        ) -> tuple[Array, Array]:
            return graphs.pull(x, parts[step], goal, weights, share)

        return policy.denoising_by(denoise, visited, pull)


def _as_arrays(committed: Committed[Tensor]) -> Committed[Array]:
    return Committed(committed.target.numpy(), committed.weights.numpy(), committed.executed)
