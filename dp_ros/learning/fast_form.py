"""The denoiser of a policy, guided if it is, in the form that is fastest where it runs."""

import copy

from torch import nn

from dp_ros.learning.folded_attention import by_folding
from dp_ros.learning.guidance import ClassifierFree
from dp_ros.learning.plain_mish import make_plain
from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.rows import by_rows
from dp_ros.learning.transformer import TransformerDenoiser
from dp_ros.learning.unet import ConditionalUnet1D


def for_one_core(policy: DiffusionPolicy) -> nn.Module:
    """A copy whose operations are products of matrices and what every runtime has kernels for."""
    if isinstance(policy.denoiser, ConditionalUnet1D):
        denoiser: nn.Module = by_rows(policy.denoiser)
    elif isinstance(policy.denoiser, TransformerDenoiser):
        denoiser = by_folding(policy.denoiser)
    else:
        denoiser = copy.deepcopy(policy.denoiser).requires_grad_(False)
    make_plain(denoiser)
    return _guided(policy, denoiser)


def for_torch(policy: DiffusionPolicy) -> nn.Module:
    """On the policy's own device, differentiable; its parts are those of `for_one_core`."""
    if isinstance(policy.denoiser, TransformerDenoiser):
        # As the weights of a policy: torch's autocast keeps its copies of no others.
        return _guided(policy, by_folding(policy.denoiser).requires_grad_())
    return policy.guided


def _guided(policy: DiffusionPolicy, denoiser: nn.Module) -> nn.Module:
    weight = policy.recipe.diffusion.guidance
    return denoiser if weight is None else ClassifierFree(denoiser, weight)
