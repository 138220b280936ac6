"""A network in OpenVINO: the same graphs as in ONNX Runtime, faster on most x86 cores.

An extra (dp_ros[openvino]), for it takes longer to load and 180 MB of disk.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dp_ros.learning.onnx_network import Array, OnnxNetwork

try:
    import openvino
except ImportError as error:
    raise ImportError(
        "device 'openvino' needs OpenVINO: pip install 'dp_ros[openvino]', or use device cpu"
    ) from error


TOLERANCE, BFLOAT16_TOLERANCE = 1e-4, 0.1
"""Of what the largest output is, or of 1 where all are smaller."""


def require_bfloat16() -> None:
    """Raise ValueError where the CPU has no instructions for it."""
    if 'BF16' not in openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
        raise ValueError(
            'this CPU has no instructions for bfloat16 (avx512_bf16 or amx_bf16 in '
            '/proc/cpuinfo): choose precision float32'
        )


class OpenVinoNetwork:
    """Callable like the module that `graph` was exported from.

    It uses as many threads as torch is set to, pins none of them, and computes in float32, or with
    `bfloat16` within the graph in that. Raises RuntimeError if it does not answer what ONNX
    Runtime answers to random numbers.
    """

    def __init__(self, graph: bytes, bfloat16: bool = False) -> None:
        core = openvino.Core()
        settings = {
            'INFERENCE_NUM_THREADS': torch.get_num_threads(),
            'NUM_STREAMS': 1,
            'ENABLE_CPU_PINNING': False,
            'INFERENCE_PRECISION_HINT': 'bf16' if bfloat16 else 'f32',
        }
        compiled = core.compile_model(core.read_model(graph), 'CPU', settings)
        self._request = compiled.create_infer_request()
        self._check(OnnxNetwork(graph), BFLOAT16_TOLERANCE if bfloat16 else TOLERANCE)

    def __call__(self, *inputs: NDArray[Any]) -> Array:
        """The module's first output for `inputs`, in the order of the examples."""
        return self.outputs(*inputs)[0]

    def outputs(self, *inputs: NDArray[Any]) -> list[Array]:
        """All of the module's outputs."""
        found = self._request.infer(dict(enumerate(inputs)), share_inputs=True)
        return list(found.to_tuple())

    def _check(self, reference: OnnxNetwork, tolerance: float) -> None:
        given = reference.examples(np.random.default_rng(0))
        for found, expected in zip(self.outputs(*given), reference.outputs(*given), strict=True):
            allowed = tolerance * max(1.0, float(np.abs(expected).max()))
            apart = float(np.abs(found - expected).max())
            if not apart <= allowed:  # nor is NaN
                raise RuntimeError(
                    f'OpenVINO {openvino.__version__} computes this network wrongly: {apart:.2g} '
                    f'from ONNX Runtime, {allowed:.2g} allowed; use device cpu'
                )
