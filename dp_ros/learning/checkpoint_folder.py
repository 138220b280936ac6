"""The folder of a checkpoint, without what loads it: torch takes seconds to import."""

from pathlib import Path

WEIGHTS, TASK, TRAINING = 'weights.safetensors', 'task.yaml', 'training.yaml'
FILES = (WEIGHTS, TASK, TRAINING)


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the text says which, why and what to do."""


def require_files(folder: Path) -> None:
    """Raise CheckpointError unless all files of a checkpoint are in `folder`."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f'{folder} is not a checkpoint: {", ".join(missing)} missing. Expected the folder '
            f'that `dp-ros train` wrote, or one under models/.'
        )
