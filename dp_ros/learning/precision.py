"""How precisely a policy computes. float32 is the function itself; the others are near it.

bf16 (bfloat16) has 8 significant bits. It serves the encoders and all denoising steps but the last
one, which takes what those left of the noise away in float32: an action is as exact as its last
step, and what the steps before were wrong by moves it less than another noise would.
"""

from enum import Enum


class Precision(str, Enum):
    """tf32: products of float32 with 11 significant bits (GPUs of NVIDIA); bf16: with 8."""

    float32 = 'float32'
    tf32 = 'tf32'
    bf16 = 'bf16'


def precision(name: str) -> Precision:
    """The one called `name`; raises ValueError."""
    try:
        return Precision(name)
    except ValueError:
        known = ', '.join(each.value for each in Precision)
        raise ValueError(f'there is no precision {name!r}; there are: {known}') from None
