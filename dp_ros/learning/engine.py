"""A diffusion policy as the robot uses it, fast."""

import time

from torch import Tensor

from dp_ros.core.step_budget import StepBudget
from dp_ros.learning import sampler
from dp_ros.learning.chunk_engine import ChunkEngine
from dp_ros.learning.denoiser_graphs import DenoiserGraphs
from dp_ros.learning.graph_cache import Keep, anew
from dp_ros.learning.graph_loop import GraphLoop
from dp_ros.learning.onnx_network import Array
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recorded import Recorder
from dp_ros.learning.torch_loop import TorchLoop
from dp_ros.learning.transition import Transition


class Engine(ChunkEngine[DiffusionPolicy]):
    """A diffusion policy on `device`, whose chunks are joined by any transition that fits it.

    On a CPU the networks run as graphs in ONNX Runtime or OpenVINO (all samples of a chunk in one
    call; the gradients of guidance in ONNX Runtime), on a GPU the whole loop of denoising as one
    recording (learning/graph_loop.py, learning/torch_loop.py).

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
        network, narrow, joins = self._place.network, self._place.narrow, self.transition
        self._loop: GraphLoop | TorchLoop
        if network is None or narrow is None:
            self._loop = TorchLoop(policy, joins, self._place, self._recorder)
        else:
            graphs = DenoiserGraphs(
                policy, network, narrow, keep, joins.samples > 1, joins.differentiates
            )
            self._loop = GraphLoop(policy, joins, graphs)

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
        clean = self._loop(visited, condition, noise, committed)
        self._loop_s = time.perf_counter() - begun
        return self._policy.decode(window, clean)

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
