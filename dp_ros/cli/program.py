"""dp-ros: the one command-line program."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from dp_ros import __version__
from dp_ros.cli import benchmarks, datasets, graphs, policies, recordings
from dp_ros.cli.options import console
from dp_ros.running import GraphError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={'help_option_names': ['-h', '--help']},
)
for part in (graphs, policies, recordings):
    app.add_typer(part.app)
app.add_typer(datasets.app, name='dataset')
app.add_typer(benchmarks.app, name='benchmark')


@app.callback()
def secured(
    keystore: Annotated[
        Path | None, typer.Option(help='Keystore of SROS2 (docs/security.md): ROS is secured.')
    ] = None,
) -> None:
    """Diffusion Policy on a real arm through ROS 2: demonstrate, train, evaluate, run."""
    if keystore is not None:
        from dp_ros.ros_process import security

        # Every process that a command starts inherits it.
        os.environ.update(security(keystore))


@app.command()
def version() -> None:
    """Print the version."""
    console.print(__version__)


def main() -> None:
    """Entry point: errors that a person can mend are sentences, everything else a traceback."""
    from dp_ros.hardware.arm import ArmError

    try:
        app()
    except (GraphError, ArmError, ValueError, OSError, ImportError, RuntimeError) as error:
        if os.environ.get('DP_ROS_TRACEBACK'):
            raise
        # As it is: no line breaks inside paths, no brackets taken for markup.
        text = Text.assemble(('error: ', 'red'), str(error))
        Console(stderr=True).print(text, soft_wrap=True)
        sys.exit(1)
