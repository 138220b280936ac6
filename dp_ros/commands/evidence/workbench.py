"""Runs dp-ros commands in processes of their own, each once, and keeps what they said."""

import json
import os
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from dp_ros import atomic

Runner = Callable[[Sequence[str], Path], None]
"""Runs `dp-ros ARGUMENTS`; what it prints goes to the end of a file. Raises CommandError."""

WHERE = 'https://diffusion-policy.cs.columbia.edu/data/training/pusht.zip'
DEMONSTRATIONS = (
    f'the human Push-T demonstrations of Chi et al. are needed: unpack {WHERE} and give '
    f'--demonstrations .../pusht_cchi_v7_replay.zarr'
)


class CommandError(RuntimeError):
    """A command failed; the text says which, why, and where the rest stands."""


def dp_ros(arguments: Sequence[str], log: Path) -> None:
    """A Runner: the installed program, on one thread."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    with log.open('a') as lines:
        ended = subprocess.run(
            [sys.executable, '-m', 'dp_ros.cli', *arguments],
            stdout=lines,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            check=False,
        )
    if ended.returncode:
        said = log.read_text(errors='replace').strip().splitlines()
        raise CommandError(
            f'{shown(arguments)} failed with exit code {ended.returncode}: '
            f'{said[-1] if said else "it said nothing"} (all of it: {log})'
        )


def shown(arguments: Sequence[str]) -> str:
    """A command as one would type it."""
    return f'dp-ros {shlex.join(arguments)}'


def short(path: Path) -> str:
    """A path as it is typed from where the program was started."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


@dataclass(frozen=True)
class Workbench:
    """Where jobs work. out: checkpoints, data and logs; demonstrations: zarr, if they are at hand.

    Jobs may work side by side: what two of them need is made once.
    """

    out: Path
    demonstrations: Path | None
    run: Runner = dp_ros
    _locks: dict[str, Lock] = field(default_factory=lambda: defaultdict(Lock))

    def command(self, name: str, arguments: Sequence[str]) -> str:
        """Run a command; `name` is that of its log. Returns it as one would type it."""
        self.run(arguments, self.out / 'logs' / f'{name}.log')
        return shown(arguments)

    def once(self, name: str, arguments: Sequence[str]) -> str:
        """Run a command unless it has succeeded before, here or in an earlier run."""
        mark = self.out / 'done' / f'{name}.json'
        with self._locks[name]:
            if not mark.is_file() or json.loads(mark.read_text()) != list(arguments):
                self.command(name, arguments)
                atomic.write_text(mark, json.dumps(list(arguments)) + '\n')
        return shown(arguments)

    def data(self) -> tuple[Path, str]:
        """The data set to learn from, imported from the demonstrations; and the command."""
        if self.demonstrations is None:
            raise ValueError(DEMONSTRATIONS)
        made = self.out / 'human.zarr'
        self.once('data', ['dataset', 'import-pusht', str(self.demonstrations), '-o', str(made)])
        # Where the demonstrations lie is of no interest to others.
        return made, shown(['dataset', 'import-pusht', self.demonstrations.name, '-o', str(made)])
