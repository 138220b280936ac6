"""A diffusion policy as the robot uses it, fast."""

import dataclasses
import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dp_ros.core.step_budget import StepBudget
from dp_ros.learning import sampler, samplers
from dp_ros.learning.chunk_engine import ChunkEngine
from dp_ros.learning.committed import Committed
from dp_ros.learning.denoiser_graphs import DenoiserGraphs
from dp_ros.learning.graph_cache import Keep, anew
from dp_ros.learning.onnx_network import Array
from dp_ros.learning.place import Place
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recorded import Recorder
from dp_ros.learning.transition import Denoising, Transition


class Engine(ChunkEngine[DiffusionPolicy]):
    """A diffusion policy on `device`, whose chunks are joined by any transition that fits it.

    On a CPU the networks run as graphs in ONNX Runtime or OpenVINO (all samples of a chunk in one
    call; the gradients of guidance in ONNX Runtime), and the rest of the arithmetic in numpy: next
    to a thread that serves ROS callbacks, each of torch's many small operations would have to win
    the interpreter back. On a GPU the whole loop of denoising is recorded as CUDA graphs, unless
    the sampler or the transition computes something on the CPU.

    precision: of the encoders and of all denoising steps but the last (learning/precision.py); the
    gradients of guidance are in float32 on any CPU. deadline_ms: a chunk that would take longer,
    as the last ones did, is denoised in fewer steps; 0: never. keep: where exported graphs are
    kept.
    """

    def __init__(
        self,
        policy: DiffusionPolicy,
        device: str = 'cpu',
        transition: str | Transition = '',
        deadline_ms: float = 0.0,
        keep: Keep = anew,
        precision: str = 'float32',
    ) -> None:
        super().__init__(policy, device, transition, keep, precision)
        self.steps, self.shortened = len(policy.inference_steps), 0
        self._at_most = self.steps
        self._loop_s = 0.0
        self._budget: StepBudget | None = None
        if deadline_ms:
            self._budget = StepBudget(self.steps, deadline_ms / 1e3)
        self._recorder = Recorder() if self._device.type == 'cuda' else None
        self._graphs: DenoiserGraphs | None = None
        network, narrow = self._place.network, self._place.narrow
        if network is not None and narrow is not None:
            joins = self.transition
            self._graphs = DenoiserGraphs(
                policy, network, narrow, keep, joins.samples > 1, joins.differentiates
            )

    def statistics(self) -> dict[str, int]:
        found = {'denoising_steps': self.steps, 'shortened': self.shortened}
        return found if self._recorder is None else found | {'recordings': len(self._recorder)}

    def warm_up(self) -> None:
        counts = [self._at_most]
        if self._recorder is not None and self._budget is not None:
            counts = [*range(1, self._at_most), self._at_most]  # each number is its own recording
        for self._at_most in counts:
            super().warm_up()
        if self._budget is not None:
            self._budget.forget()
        self.shortened = 0

    def _took(self, duration_s: float) -> None:
        if self._budget is not None:
            self._budget.took(duration_s - self._loop_s, self._loop_s, self.steps)

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
        visited = self._visited()
        begun = time.perf_counter()
        if self._graphs is None:
            clean = self._in_torch(visited, condition, self._tensor(noise), committed)
        else:
            arrays = self._denoising(self._graphs, condition.numpy(), visited)
            known = None if committed is None else _as_arrays(committed)
            clean = torch.from_numpy(self.transition(arrays, noise[None], known))
        self._loop_s = time.perf_counter() - begun
        return self._policy.decode(window, clean)

    def _in_torch(
        self,
        visited: list[int],
        condition: Tensor,
        noise: Tensor,
        committed: Committed[Tensor] | None,
    ) -> Tensor:
        """As `loop`, from a recording where there can be one."""
        recorder, joins = self._recorder, self.transition
        random = samplers.chosen(self._policy.recipe.diffusion).random and len(visited) > 1
        if recorder is None or random or not joins.recordable:
            clean = loop(self._policy, joins, visited, condition, noise, committed, self._place)
        else:

            def recordable(condition: Tensor, noise: Tensor, *known: Tensor) -> Tensor:
                before = Committed(known[0], known[1]) if known else None
                return loop(self._policy, joins, visited, condition, noise, before, self._place)

            known = () if committed is None else (committed.target, committed.weights)
            clean = recorder((*visited, bool(known)), recordable, condition, noise, *known)
        if self._device.type == 'cuda':
            torch.cuda.synchronize(self._device)  # so that the clock tells how long it took
        return clean

    def _visited(self) -> list[int]:
        """The denoising steps of the next chunk, from noisy to clean."""
        policy = self._policy
        every = policy.inference_steps
        fitting = len(every) if self._budget is None else self._budget.steps()
        self.steps = min(fitting, self._at_most)
        if self.steps == len(every):
            return every
        self.shortened += 1
        diffusion = policy.recipe.diffusion
        return sampler.inference_steps(diffusion.training_steps, self.steps, diffusion.spacing)

    def _denoising(
        self, graphs: DenoiserGraphs, condition: Array, visited: list[int]
    ) -> Denoising[Array]:
        """The denoiser under `condition` (1, C), as graphs."""
        policy = self._policy
        parts = graphs.prepare(visited, condition)

        def denoise(x: Array, step: int, mask: NDArray[np.bool_] | None = None) -> Array:
            return graphs.step(policy.with_mask(x, mask), parts[step], step != visited[-1])

        def pull(
            x: Array, step: int, goal: Array, weights: Array, share: float
        ) -> tuple[Array, Array]:
            return graphs.pull(x, parts[step], goal, weights, share)

        diffusion = policy.recipe.diffusion
        return Denoising(
            denoise,
            policy.schedule,
            visited,
            diffusion.prediction,
            samplers.chosen(diffusion),
            masked=denoise if diffusion.prefix else None,
            pull=pull,
        )


def loop(
    policy: DiffusionPolicy,
    transition: Transition,
    visited: list[int],
    condition: Tensor,
    noise: Tensor,
    committed: Committed[Tensor] | None,
    place: Place,
) -> Tensor:
    """Condition (1, C), noise (1, n, T_p, A) -> clean (1, T_p, A), in the denoiser's terms."""
    denoising = policy.denoising(condition, lambda step: place.autocast(step != visited[-1]))
    with place.autocast():  # its copies of the weights serve all steps
        return transition(dataclasses.replace(denoising, steps=visited), noise, committed)


def _as_arrays(committed: Committed[Tensor]) -> Committed[Array]:
    return Committed(committed.target.numpy(), committed.weights.numpy(), committed.executed)
