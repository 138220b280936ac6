"""Files of weights that others wrote, read without running anything that they hold."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file


def read(path: Path) -> Any:
    """What a file holds: .safetensors, or torch's own format with tensors and plain containers.

    Raises whatever its reader raises for anything else.
    """
    if path.suffix == '.safetensors':
        return load_file(path)
    return torch.load(path, map_location='cpu', weights_only=True)
