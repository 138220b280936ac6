"""A loaded policy as the robot uses it: one window and its noise in, one chunk out, as arrays."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from dp_ros.data.alignment import StampedImage
from dp_ros.learning import transition
from dp_ros.learning.chunk_policy import ChunkPolicy
from dp_ros.learning.eyes import Eyes
from dp_ros.learning.graph_cache import Keep, anew
from dp_ros.learning.onnx_network import Array
from dp_ros.learning.place import place
from dp_ros.learning.transition import Transition

P = TypeVar('P', bound=ChunkPolicy)


class ChunkEngine(ABC, Generic[P]):
    """`policy` on `device`, ready to plan single chunks that are joined by `transition`.

    An empty name stands for the strategy that suits the policy. keep: see learning/graph_cache.py.

    A frame that was seen before is not encoded again. All methods are called from one thread.
    noise_shape: (n, *policy.noise_shape), n samples.

    device, precision: see learning/place.py; the attribute `device` is the one that was chosen.
    Raises what `place` raises, and ValueError where the policy cannot be joined in this way.
    """

    def __init__(
        self,
        policy: P,
        device: str = 'cpu',
        transition: str | Transition = '',
        keep: Keep = anew,
        precision: str = 'float32',
    ) -> None:
        self._place = place(device, precision)
        self._device = self._place.device
        self.device = device or str(self._device)
        self.transition = _chosen(transition, policy)
        self._policy = policy.to(self._device).eval()
        self.noise_shape = (self.transition.samples, *policy.noise_shape)
        self._eyes = None if policy.vision is None else Eyes(policy.vision, self._place, keep)

    @torch.no_grad()
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
        """Vector (T_o, D), noise (*noise_shape), frames of each camera (T_o) -> actions (T_p, A).

        before: the plan before (T_p, A), step for step beside the new one, NaN where it has no
        action; its first `delay_steps` actions from now on will be executed. All actions are in
        task units. Raises ValueError for arrays or frames of a wrong size or number.
        """
        begun = time.perf_counter()
        noise = np.asarray(noise, dtype=np.float32)
        if noise.shape != self.noise_shape:
            raise ValueError(f'expected noise of shape {self.noise_shape}, found {noise.shape}')
        seen = self._look(frames or {})
        plan = None if before is None else self._tensor(before)
        actions = self._actions(self._tensor(vector), noise, seen, plan, delay_steps)
        chunk = actions[0].double().cpu().numpy()
        self._took(time.perf_counter() - begun)
        return chunk

    def _took(self, duration_s: float) -> None:
        """Learn how long a chunk took."""

    @abstractmethod
    def _actions(
        self,
        window: Tensor,
        noise: Array,
        seen: Tensor | None,
        plan: Tensor | None,
        delay_steps: int,
    ) -> Tensor:
        """Window (1, T_o, D), noise, image features (1, T_o, V) -> actions (1, T_p, A).

        plan: the plan before (1, T_p, A); noise, delay_steps: see `predict`.
        """

    def warm_up(self) -> None:
        """Plan two chunks of nothing, so that the first real ones are as fast as the rest.

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

    def statistics(self) -> dict[str, int]:
        """What became of the chunks so far, by name."""
        return {}

    def _tensor(self, values: ArrayLike) -> Tensor:
        """A batch of one."""
        return self._place.tensor(np.asarray(values, dtype=np.float32))[None]

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
        return self._place.tensor(np.concatenate(cameras, axis=-1))[None]


def _chosen(chosen: str | Transition, policy: ChunkPolicy) -> Transition:
    """The strategy, if the policy can be joined by it; else ValueError."""
    name = chosen or policy.best_transition
    found = transition.named(name) if isinstance(name, str) else name
    policy.check_transition(found)
    return found
