"""The loop of denoising in torch, on a GPU recorded and launched as one."""

from typing import cast

import torch
from torch import Tensor

from dp_ros.learning import samplers
from dp_ros.learning.committed import Committed
from dp_ros.learning.fast_form import for_torch
from dp_ros.learning.onnx_network import Array
from dp_ros.learning.place import Place
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.recorded import Recorder
from dp_ros.learning.stepwise import Stepwise
from dp_ros.learning.transition import Denoising, Transition


class TorchLoop:
    """recorder: None where nothing is recorded, as on a CPU.

    A sampler that draws random numbers, and a transition that computes with what is not on the
    device, are not recorded.
    """

    def __init__(
        self,
        policy: DiffusionPolicy,
        transition: Transition,
        place: Place,
        recorder: Recorder | None,
    ) -> None:
        self._policy, self._transition, self._place = policy, transition, place
        self._recorder = recorder if transition.recordable else None
        self._random = samplers.chosen(policy.recipe.diffusion).random
        self._network = cast('Stepwise', for_torch(policy))

    def __call__(
        self,
        visited: list[int],
        condition: Tensor,
        noise: Array,
        committed: Committed[Tensor] | None,
    ) -> Tensor:
        """Condition (1, C), noise (n, T_p, A) -> clean (1, T_p, A), in the denoiser's terms."""
        given = self._place.tensor(noise)[None]
        random = self._random and len(visited) > 1
        if self._recorder is None or random:
            clean = self.sample(visited, condition, given, committed)
        else:

            def recordable(condition: Tensor, noise: Tensor, *known: Tensor) -> Tensor:
                before = Committed(known[0], known[1]) if known else None
                return self.sample(visited, condition, noise, before)

            known = () if committed is None else (committed.target, committed.weights)
            key = (*visited, bool(known))
            clean = self._recorder(key, recordable, condition, given, *known)
        if clean.device.type == 'cuda':
            torch.cuda.synchronize(clean.device)  # so that the clock tells how long it took
        return clean

    def sample(
        self,
        visited: list[int],
        condition: Tensor,
        noise: Tensor,
        committed: Committed[Tensor] | None,
    ) -> Tensor:
        """What is recorded: noise is (1, n, T_p, A)."""
        denoising = self._denoising(visited, condition)
        with self._place.autocast():  # its copies of the weights serve all steps
            return self._transition(denoising, noise, committed)

    def _denoising(self, visited: list[int], condition: Tensor) -> Denoising[Tensor]:
        policy, network, place = self._policy, self._network, self._place
        # Not from a list of numbers: those would come from the CPU.
        steps = [torch.full((1,), step, device=condition.device) for step in visited]
        parts = network.prepare(network.embed(torch.cat(steps)), condition)
        each = dict(zip(visited, parts.split(1), strict=True))

        def denoise(x: Tensor, step: int, mask: Tensor | None = None) -> Tensor:
            with place.autocast(step != visited[-1]):
                given = policy.with_mask(x, mask)
                output = network.step(given, each[step].expand(len(x), -1))
            return output.to(x.dtype)

        return policy.denoising_by(denoise, visited)
