"""`dp-ros dataset`: demonstrations to learn from."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from dp_ros.cli.options import (
    CORES,
    ROBOTS,
    TASKS,
    Checkpoint,
    DelaySteps,
    Joining,
    Joins,
    Out,
    Processes,
    Seed,
    Threads,
    console,
    shipped,
    shipped_or_none,
)
from dp_ros.paths import share

app = typer.Typer(help='Demonstrations: make, correct, import, look at.', no_args_is_help=True)


NearM = Annotated[
    float | None,
    typer.Option(help='Only starts whose T reaches nearer to the robot than this [m].'),
]


class Commander(str, Enum):
    """Who may have commanded the steps of a data set."""

    teleoperated = 'teleoperated'
    policy = 'policy'
    anyone = 'anyone'


class Format(str, Enum):
    """Formats of others that a data set can be written in."""

    lerobot = 'lerobot'
    diffusion_policy = 'diffusion_policy'
    umi = 'umi'


class ForeignFormat(str, Enum):
    """Formats that a data set can be imported from."""

    auto = 'auto'
    lerobot = 'lerobot'
    diffusion_policy = 'diffusion_policy'
    umi = 'umi'


@app.command()
def build(
    bags: Annotated[
        list[Path], typer.Argument(help='Bags, or folders of bags as the recorder leaves them.')
    ],
    out: Out,
    task: Annotated[
        str | None, typer.Option(help='Task description; default: the one the bags were made by.')
    ] = None,
    robot: Annotated[
        str | None, typer.Option(help='Robot file; default: the one the bags were made by.')
    ] = None,
    commanded_by: Annotated[
        Commander, typer.Option(help='Whose steps are taken.')
    ] = Commander.teleoperated,
    force: Annotated[
        bool, typer.Option('--force', help='Take episodes that failed, or fail the audit, too.')
    ] = False,
    thresholds: Annotated[
        Path | None, typer.Option(help='Of the audit; default: config/audit.yaml, as it ships.')
    ] = None,
    workers: Processes = CORES,
    ray: Annotated[
        str | None,
        typer.Option(help='Do it on Ray: local, auto (the cluster here), or its address.'),
    ] = None,
) -> None:
    """Make a data set of recorded episodes; an interrupted build goes on where it stopped."""
    from dp_ros.commands import dataset_build as command

    task_file = shipped_or_none(task, TASKS)
    robot_file = shipped_or_none(robot, ROBOTS)
    audited = None if force else thresholds or share('config', 'audit.yaml')
    command.run(
        bags, out, task_file, robot_file, commanded_by.value, audited, workers, ray, console
    )  # fmt: skip


@app.command()
def generate(
    task: Annotated[
        str,
        typer.Argument(
            help='pusht_cell, pusht_cell_image, two_arcs, ur5e_reach or two_arms_carry.'
        ),
    ],
    out: Out,
    episodes: Annotated[int, typer.Option(min=2, help='How many that succeed.')] = 250,
    seed: Seed = 0,
    noise_mm: Annotated[float, typer.Option(min=0, help='Disturb what is executed.')] = 0.0,
    near_m: NearM = None,
    workers: Processes = CORES,
) -> None:
    """Let the scripted expert demonstrate."""
    from dp_ros.commands import dataset as command

    command.generate(task, out, episodes, seed, noise_mm / 1e3, workers, console, near_m)


@app.command()
def correct(
    checkpoint: Checkpoint,
    out: Out,
    episodes: Annotated[int, typer.Option(min=1, help='How many takeovers.')] = 100,
    seed: Seed = 200_000,
    action_steps: Annotated[
        int | None, typer.Option(min=1, help="T_a; default: the task's.")
    ] = None,
    delay_steps: DelaySteps = 0,
    transition: Joining = Joins.switch,
    near_m: NearM = None,
    threads: Threads = 1,
) -> None:
    """Let a policy run, and the expert finish from where it got to."""
    from dp_ros.commands import dataset as command

    command.correct(
        checkpoint, out, episodes, seed, action_steps, delay_steps, transition.value, threads,
        console, near_m,
    )  # fmt: skip


@app.command()
def render(
    source: Annotated[Path, typer.Argument(help='Episodes of pusht_cell (zarr), with states.')],
    task: Annotated[str, typer.Option(help='Task with cameras: a shipped name or a file.')],
    out: Out,
    seed: Annotated[int, typer.Option(help='Of the sensor noise.')] = 0,
    workers: Processes = CORES,
) -> None:
    """Show recorded states of the cell to the cameras of a task."""
    from dp_ros.commands import dataset as command

    command.render(source, shipped(task, TASKS), out, seed, workers, console)


@app.command('import-pusht')
def import_pusht(
    source: Annotated[Path, typer.Argument(help='pusht_cchi_v7_replay.zarr of the authors.')],
    out: Out,
) -> None:
    """Import the human Push-T demonstrations, aligned so that each ends on the goal."""
    from dp_ros.commands import dataset as command

    command.import_pusht(source, out, console)


@app.command('export')
def export_set(
    source: Annotated[Path, typer.Argument(help='A data set (zarr).')],
    out: Out,
    form: Annotated[Format, typer.Option('--format', help='Whose format.')],
    task: Annotated[str, typer.Option(help='Its task: a shipped name or a file.')],
    full_colour: Annotated[
        bool, typer.Option('--full-colour', help='Of LeRobot: yuv444p; some browsers lack it.')
    ] = False,
) -> None:
    """Write a data set as LeRobotDataset v3, or as a replay buffer of diffusion_policy or UMI.

    A path that ends in .zip gets a replay buffer in a zip file.
    """
    from dp_ros.commands import interchange as command

    command.export_set(source, out, shipped(task, TASKS), form.value, full_colour, console)


@app.command('import')
def import_set(
    source: Annotated[Path, typer.Argument(help='LeRobotDataset v3, zarr folder or .zarr.zip.')],
    out: Out,
    task: Annotated[str, typer.Option(help='Its task: a shipped name or a file.')],
    form: Annotated[
        ForeignFormat, typer.Option('--format', help='Whose format.')
    ] = ForeignFormat.auto,
    mapping: Annotated[
        list[str] | None,
        typer.Option('--map', help='STREAM=KEY, or STREAM=KEY,KEY[0,1]: where a stream stands.'),
    ] = None,
    next_actions: Annotated[
        bool, typer.Option('--next-actions', help="A step's action is the next step's pose.")
    ] = False,
) -> None:
    """Import a LeRobotDataset v3, or a replay buffer of diffusion_policy or UMI."""
    from dp_ros.commands import interchange as command

    command.import_set(
        source, out, shipped(task, TASKS), form.value, mapping or [], next_actions, console
    )


@app.command()
def info(path: Annotated[Path, typer.Argument(help='A replay buffer (zarr).')]) -> None:
    """Say what a data set holds."""
    from dp_ros.commands import dataset as command

    command.info(path, console)


@app.command('audit')
def audit(
    bags: Annotated[list[Path], typer.Argument(help='Bags, or folders of bags.')],
    out: Out = Path('out/audit'),
    task: Annotated[
        str | None, typer.Option(help="Task: a shipped name or a file; default: each bag's own.")
    ] = None,
    robot: Annotated[
        str | None, typer.Option(help="Robot: a shipped name or a file; default: each bag's own.")
    ] = None,
    thresholds: Annotated[
        Path | None, typer.Option(help='Default: config/audit.yaml, as it ships.')
    ] = None,
    strict: Annotated[bool, typer.Option('--strict', help='Exit 1 on a complaint.')] = False,
) -> None:
    """Weigh recorded episodes: drops, gaps, latency, idle stretches, limits ..."""
    from dp_ros.commands import audit as command

    task_file = shipped_or_none(task, TASKS)
    robot_file = shipped_or_none(robot, ROBOTS)
    file = thresholds or share('config', 'audit.yaml')
    sound = command.run(bags, out, task_file, robot_file, file, console)
    if strict and not sound:
        raise typer.Exit(1)


@app.command('show')
def show(
    path: Annotated[Path, typer.Argument(metavar='EPISODE', help='A bag, or a data set (zarr).')],
    episode: Annotated[
        int | None, typer.Option(min=0, help='Which one of a data set, from 0 on.')
    ] = None,
    out: Annotated[
        Path | None, typer.Option('--out', '-o', help='A .png; default: in out/show.')
    ] = None,
    rerun: Annotated[bool, typer.Option('--rerun', help='Write an .rrd for rerun, too.')] = False,
    task: Annotated[
        str | None, typer.Option(help="Task: a shipped name or a file; default: the bag's own.")
    ] = None,
    robot: Annotated[
        str | None, typer.Option(help="Robot: a shipped name or a file; default: the bag's own.")
    ] = None,
) -> None:
    """Draw one episode: frames, states and actions over time, and who commanded."""
    from dp_ros.commands import show as command

    task_file = shipped_or_none(task, TASKS)
    robot_file = shipped_or_none(robot, ROBOTS)
    command.run(path, episode, out, rerun, task_file, robot_file, console)
