"""A network in ONNX Runtime: the same function, several times faster on one CPU core."""

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float32]


class OnnxNetwork:
    """Callable like the module that it was exported from, for inputs of just the example's shapes.

    inputs: name -> example, in the order of the module's arguments; with `batched` their first
    axes may have another size, all the same. It uses as many threads as torch is set to, and never
    spins: a waiting core belongs to the arm.
    """

    def __init__(
        self, module: nn.Module, inputs: Mapping[str, Tensor], batched: bool = False
    ) -> None:
        self._names = tuple(inputs)
        with warnings.catch_warnings():
            # The exporter that needs no further packages announces its successor at each call.
            warnings.simplefilter('ignore')
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / 'network.onnx'
                examples = tuple(inputs.values())
                torch.onnx.export(
                    module,
                    examples,
                    file,
                    input_names=list(self._names),
                    dynamo=False,
                    dynamic_axes={name: {0: 'batch'} for name in self._names if batched},
                )
                exported = file.read_bytes()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            exported,
            options,
            providers=['CPUExecutionProvider'],
            # It loses weights that are equal to others, as those of two new norms are.
            disabled_optimizers=['DivMulFusion'],
        )

    def __call__(self, *inputs: NDArray[Any]) -> Array:
        """The module's first output for `inputs`, in the order of the examples."""
        return self.outputs(*inputs)[0]

    def outputs(self, *inputs: NDArray[Any]) -> list[Array]:
        """All of the module's outputs."""
        found: list[Array] = self._session.run(None, dict(zip(self._names, inputs, strict=True)))
        return found
