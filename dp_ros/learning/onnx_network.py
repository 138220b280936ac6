"""A network in ONNX Runtime: the same function, several times faster on one CPU core."""

import tempfile
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float32]


def exported(
    module: nn.Module, inputs: Mapping[str, Tensor], batched: Collection[str] = ()
) -> bytes:
    """The graph of `module` for inputs of just the example's shapes.

    inputs: name -> example, in the order of the module's arguments; the first axes of those in
    `batched` may have another size, all the same.
    """
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        # The exporter that needs no further packages announces its successor at each call.
        warnings.simplefilter('ignore')
        file = Path(folder) / 'network.onnx'
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            file,
            input_names=list(inputs),
            dynamo=False,
            dynamic_axes={name: {0: 'batch'} for name in batched},
        )
        return file.read_bytes()


class OnnxNetwork:
    """Callable like the module that `graph` was exported from.

    It uses as many threads as torch is set to, and never spins: a waiting core belongs to the arm.
    """

    def __init__(self, graph: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph,
            options,
            providers=['CPUExecutionProvider'],
            # It loses weights that are equal to others, as those of two new norms are.
            disabled_optimizers=['DivMulFusion'],
        )
        self._names = tuple(given.name for given in self._session.get_inputs())

    def examples(self, random: np.random.Generator) -> list[NDArray[Any]]:
        """Random inputs, of batch 1 where any will do."""
        kinds = {'tensor(float)': np.float32, 'tensor(int64)': np.int64, 'tensor(uint8)': np.uint8}
        found = []
        for given in self._session.get_inputs():
            shape = [size if isinstance(size, int) else 1 for size in given.shape]
            whole = given.type != 'tensor(float)'
            values = random.integers(0, 100, shape) if whole else random.normal(size=shape)
            found.append(np.asarray(values).astype(kinds[given.type]))
        return found

    def __call__(self, *inputs: NDArray[Any]) -> Array:
        """The module's first output for `inputs`, in the order of the examples."""
        return self.outputs(*inputs)[0]

    def outputs(self, *inputs: NDArray[Any]) -> list[Array]:
        """All of the module's outputs."""
        found: list[Array] = self._session.run(None, dict(zip(self._names, inputs, strict=True)))
        return found
