"""The vector-Jacobian product of a denoiser, as a network of its own that ONNX Runtime can run.

torch writes down the operations of its own backward pass (torch.func.vjp under make_fx). What the
exporter does not know among them is said here in terms of what it knows.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._decomp import get_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

from dp_ros.learning.policy import DiffusionPolicy
from dp_ros.learning.stepwise import Stepwise

aten = torch.ops.aten


def pulled_inputs(policy: DiffusionPolicy, part: Tensor) -> dict[str, Tensor]:
    """Examples of the inputs of `pulled_network`, by name, in order."""
    shape = (1, *policy.noise_shape)
    return {
        'noisy': torch.zeros(shape),
        'part': part,
        'goal': torch.zeros(shape),
        'weights': torch.zeros(policy.noise_shape[0]),
        'share': torch.zeros(()),
    }


def pulled_network(
    policy: DiffusionPolicy, network: Stepwise, inputs: Mapping[str, Tensor]
) -> nn.Module:
    """(x, part, goal, weights, share) -> output y, J^T [weights (goal - share y)].

    network: the denoiser of `policy`; J = d y / d x, for single chunks (1, T_p, A). See
    Denoising.pulled.
    """

    def pulled(
        x: Tensor, part: Tensor, goal: Tensor, weights: Tensor, share: Tensor
    ) -> tuple[Tensor, Tensor]:
        found: Any = torch.func.vjp(lambda given: network.step(policy.with_mask(given), part), x)
        output, pull = found
        (product,) = pull(weights[:, None] * (goal - share * output))
        return output, product

    with torch.no_grad():
        traced = make_fx(pulled, decomposition_table=_known_operations())
        module: nn.Module = traced(*inputs.values())
    return module.eval()


def _known_operations() -> dict[Any, Callable[..., Any]]:
    table: dict[Any, Callable[..., Any]] = get_decompositions(
        [
            aten.native_group_norm,
            aten.native_group_norm_backward,
            aten.native_layer_norm,
            aten.native_layer_norm_backward,
            aten.mish,
            aten.mish_backward,
            aten._softmax,
            aten._softmax_backward_data,
            aten.gelu_backward,
        ]
    )
    table[aten.convolution_backward.default] = _convolution_backward
    table[aten._unsafe_view.default] = lambda x, size: x.view(size)
    table[aten.squeeze.dims] = _squeeze
    table[aten.as_strided.default] = _as_strided
    table[aten.slice_backward.default] = _slice_backward
    table[aten.select_backward.default] = _select_backward
    return table


def _convolution_backward(
    gradient: Tensor, x: Tensor, weight: Tensor, *settings: Any
) -> tuple[Tensor, None, None]:
    """With respect to the input alone: the other kind of convolution, with the same weights."""
    _, stride, padding, dilation, transposed, _, groups, _ = settings
    missing = [0] * len(stride)
    if not transposed:
        # The rows that the stride left over at the end of the input.
        for i in range(len(stride)):
            reach = (gradient.shape[2 + i] - 1) * stride[i] - 2 * padding[i]
            missing[i] = x.shape[2 + i] - reach - dilation[i] * (weight.shape[2 + i] - 1) - 1
    back = aten.convolution(
        gradient, weight, None, stride, padding, dilation, not transposed, missing, groups
    )
    return back, None, None


def _as_strided(
    x: Tensor, size: Sequence[int], stride: Sequence[int], offset: int | None = None
) -> Tensor:
    """Where it only says anew what is one after the other in memory, a change of shape."""
    if not x.is_contiguous() or x.numel() != math.prod(size) or offset:
        return NotImplemented
    viewed = x.view(size)
    return viewed if viewed.stride() == tuple(stride) else NotImplemented


def _slice_backward(
    gradient: Tensor, sizes: Sequence[int], dim: int, start: int, end: int, step: int
) -> Tensor:
    if step != 1:
        return NotImplemented
    first, _, _ = slice(start, end).indices(sizes[dim])
    # Zeros on both sides; pairs of them, the last axis first.
    around = [0, 0] * len(sizes)
    place = 2 * (len(sizes) - 1 - dim % len(sizes))
    around[place : place + 2] = first, sizes[dim] - first - gradient.shape[dim]
    padded: Tensor = aten.constant_pad_nd(gradient, around)
    return padded


def _select_backward(gradient: Tensor, sizes: Sequence[int], dim: int, index: int) -> Tensor:
    at = index % sizes[dim]
    return _slice_backward(gradient.unsqueeze(dim), sizes, dim, at, at + 1, 1)


def _squeeze(x: Tensor, dims: Sequence[int]) -> Tensor:
    gone = {dim % x.dim() for dim in dims if x.shape[dim] == 1}
    return x.view([size for i, size in enumerate(x.shape) if i not in gone])
