"""What a policy is given: numbers and images of T_o steps, in batches."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Observations:
    """vector (B, T_o, D) float32; images[camera] (B, T_o, height, width, 3) uint8, prepared."""

    vector: Tensor
    images: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vector)
