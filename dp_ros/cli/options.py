"""Options and arguments that several commands share."""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dp_ros.paths import share

console = Console()

# A task or recipe may be given by the name of a file that ships, or by a path.
TASKS, RECIPES = ('config', 'tasks'), ('config', 'training')
DEVICES = ('config', 'teleop')
ROBOTS = ('config', 'robots')
_KINDS: dict[tuple[str, ...], str] = {
    TASKS: 'task',
    RECIPES: 'recipe',
    DEVICES: 'device',
    ROBOTS: 'robot',
}

Out = Annotated[Path, typer.Option('--out', '-o', help='Where the results go.')]
Seed = Annotated[int, typer.Option(help='Seed of the first episode; the next ones follow.')]
Threads = Annotated[int, typer.Option(min=1, help='CPU threads for torch.')]
Workers = Annotated[int, typer.Option(min=0, help='Processes that read images; 0: none.')]
TaskFile = Annotated[str, typer.Option(help='Task description: a shipped name or a file.')]
RobotFile = Annotated[str, typer.Option(help='Robot file: a shipped name or a file.')]
Checkpoint = Annotated[Path, typer.Argument(help='Folder of a checkpoint.')]
Processes = Annotated[int, typer.Option('--workers', min=1, help='Processes.')]
DelaySteps = Annotated[
    int, typer.Option(min=0, help='Steps until a new chunk is there; the old one plays on.')
]
CORES = max(1, os.cpu_count() or 1)


class Samplers(str, Enum):
    """How chunks are denoised (learning/samplers.py)."""

    ddim = 'ddim'
    ddpm = 'ddpm'
    dpm_solver = 'dpm_solver'
    consistency = 'consistency'


class Joins(str, Enum):
    """How chunks are joined (learning/transition.py)."""

    switch = 'switch'
    fade = 'fade'
    ensemble = 'ensemble'
    replacement = 'replacement'
    guided = 'guided'
    coherent = 'coherent'
    prefix = 'prefix'


Joining = Annotated[Joins, typer.Option(help='How a chunk takes over from the one before.')]
Transition = Annotated[
    Joins | None,
    typer.Option(help='How a chunk takes over; default: as suits the policy; lock-step: switch.'),
]


def transition_name(transition: Joins | None) -> str:
    """Its name; empty where none was chosen."""
    return transition.value if transition else ''


def shipped(name: str, folder: tuple[str, ...]) -> Path:
    """A file by path, or by the bare name of one that ships."""
    path = Path(name)
    if path.is_file():
        return path
    known = share(*folder, f'{name}.yaml')
    if known.is_file():
        return known
    names = ', '.join(sorted(p.stem for p in share(*folder).glob('*.yaml')))
    raise ValueError(f'{_KINDS[folder]} {name!r} is neither a file nor one of: {names}')


def shipped_or_none(name: str | None, folder: tuple[str, ...]) -> Path | None:
    """The same, where nothing need be named."""
    return shipped(name, folder) if name else None
