"""A U-Net that sees each observation at its own step of the chunk (local conditioning).

Chi et al. 2023, published code: the observed steps lie beside the first T_o actions, zeros beside
the rest; their features are added at full resolution. The second encoder that is published with
it, for the way up, is never used there, so there is none here.
"""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from dp_ros.learning.unet import ConditionalUnet1D, FiLMResidualBlock


class LocalUnet1D(ConditionalUnet1D):
    """Like ConditionalUnet1D; the condition is (B, T_o * F), and FiLM tells of the step alone."""

    def __init__(
        self,
        action_dim: int,
        horizon: int,
        condition_dim: int,
        observation_steps: int,
        widths: Sequence[int] = (256, 512, 1024),
        step_embedding: int = 256,
        kernel: int = 5,
        groups: int = 8,
        mask: bool = False,
    ) -> None:
        super().__init__(action_dim, 0, widths, step_embedding, kernel, groups, mask)
        self._observed = (observation_steps, condition_dim // observation_steps)
        self._rest = horizon - observation_steps
        self.encode = FiLMResidualBlock(
            self._observed[1], widths[0], step_embedding, kernel, groups
        )

    def forward(self, noisy: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        step = self.embed_step(steps)
        observed = condition.unflatten(1, self._observed).transpose(1, 2)  # (B, F, T_o)
        local = self.encode(functional.pad(observed, (0, self._rest)), step)
        return self.denoise(noisy, step, local)
