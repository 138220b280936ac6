"""dp-ros: the one command-line program."""

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from dp_ros import __version__
from dp_ros.bringup import DEFAULT_POLICY, GraphError
from dp_ros.paths import share

app = typer.Typer(
    help='Diffusion Policy on a real arm through ROS 2: demonstrate, train, evaluate, run.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={'help_option_names': ['-h', '--help']},
)
dataset = typer.Typer(help='Demonstrations: make, correct, import, look at.', no_args_is_help=True)
app.add_typer(dataset, name='dataset')
bag = typer.Typer(help='Recorded episodes: look at, repair.', no_args_is_help=True)
app.add_typer(bag, name='bag')
console = Console()

# A task or recipe may be given by the name of a file that ships, or by a path.
TASKS, RECIPES = ('config', 'tasks'), ('config', 'training')

Out = Annotated[Path, typer.Option('--out', '-o', help='Where the results go.')]
Seed = Annotated[int, typer.Option(help='Seed of the first episode; the next ones follow.')]
Threads = Annotated[int, typer.Option(min=1, help='CPU threads for torch.')]
Workers = Annotated[int, typer.Option(min=0, help='Processes that read images; 0: none.')]
Checkpoint = Annotated[Path, typer.Argument(help='Folder of a checkpoint.')]
Processes = Annotated[int, typer.Option('--workers', min=1, help='Processes.')]
DelaySteps = Annotated[
    int, typer.Option(min=0, help='Steps until a new chunk is there; the old one plays on.')
]
CORES = max(1, os.cpu_count() or 1)


class Series(str, Enum):
    """Controllers that the simulated cell can play."""

    e_series = 'e-Series'
    cb3 = 'CB3'


class Sees(str, Enum):
    """What the shipped policies see."""

    image = 'image'
    state = 'state'


SHIPPED = Sees(DEFAULT_POLICY)


class Rate(str, Enum):
    """Rates of the command stream."""

    hz_125 = '125'
    hz_500 = '500'


@app.command()
def demo(
    out: Out = Path('out/demo'),
    episodes: Annotated[int, typer.Option(min=1, help='How many episodes.')] = 5,
    seed: Seed = 1000,
    video: Annotated[bool, typer.Option(help='Draw demo.mp4 and trajectory.png.')] = True,
    policy: Annotated[
        Sees, typer.Option(help='What the policy sees: two cameras, or the true pose of the T.')
    ] = SHIPPED,
    checkpoint: Annotated[
        Path | None, typer.Option(help='Another policy than the shipped ones.')
    ] = None,
    robot: Annotated[
        Path | None, typer.Option(help='Robot file; default: the simulated cell.')
    ] = None,
    address: Annotated[
        str | None, typer.Option(help='Loopback address of the controller.')
    ] = None,
    series: Annotated[Series, typer.Option(help='Controller to simulate.')] = Series.e_series,
    rate_hz: Annotated[Rate, typer.Option(help='Rate of the command stream.')] = Rate.hz_125,
) -> None:
    """Run the whole graph on the simulated cell and report."""
    from dp_ros.commands import demo as command

    command.run(
        out, episodes, seed, video, policy.value, checkpoint, robot, address, series.value,
        int(rate_hz.value), console,
    )  # fmt: skip


@app.command()
def latency(
    robot: Annotated[Path, typer.Argument(help='Robot file; the latencies are written into it.')],
    out: Out = Path('out/latency'),
    seconds: Annotated[float, typer.Option(min=5, max=120, help='How long the arm moves.')] = 20.0,
    attach: Annotated[bool, typer.Option(help='Use the graph that runs in this domain.')] = False,
    dry: Annotated[bool, typer.Option('--dry-run', help='Measure, but write nothing.')] = False,
) -> None:
    """Measure how far each camera's stamps lie behind its captures. The arm moves by 3 cm."""
    from dp_ros.commands import latency as command

    command.run(robot, out, seconds, attach, dry, console)


@app.command()
def train(
    datasets: Annotated[list[Path], typer.Argument(help='Replay buffers (zarr), used together.')],
    task: Annotated[str, typer.Option(help='Task description: a shipped name or a file.')],
    out: Out,
    recipe: Annotated[
        str | None, typer.Option(help='Recipe; default: the one named as the task.')
    ] = None,
    device: Annotated[str, typer.Option(help='cpu, cuda, cuda:1 ...')] = 'cpu',
    initial: Annotated[Path | None, typer.Option(help='Checkpoint to start from.')] = None,
    threads: Threads = 1,
    workers: Workers = 2,
    half: Annotated[bool, typer.Option(help='Save weights in half precision.')] = False,
) -> None:
    """Train a policy; an interrupted run goes on where it stopped.

    On several GPUs: torchrun --nproc-per-node 2 -m dp_ros.cli train ... --device cuda
    """
    from dp_ros.commands import train as command

    task_file = _shipped(task, TASKS)
    recipe_file = _shipped(recipe or task_file.stem, RECIPES)
    choices = command.Choices(device, threads, workers, half)
    command.run(datasets, task_file, recipe_file, out, initial, choices, console)


@app.command()
def pretrain(
    datasets: Annotated[list[Path], typer.Argument(help='Replay buffers (zarr), used together.')],
    task: Annotated[str, typer.Option(help='Task description: a shipped name or a file.')],
    recipe: Annotated[str, typer.Option(help='Pretraining recipe: a shipped name or a file.')],
    out: Out,
    targets: Annotated[str, typer.Option(help='Array of the data sets to tell.')] = 'keypoint',
    device: Annotated[str, typer.Option(help='cpu, cuda, cuda:1 ...')] = 'cpu',
    threads: Threads = 1,
    workers: Workers = 2,
) -> None:
    """Train image encoders to tell what is known of each frame; a policy may start from them."""
    from dp_ros.commands import pretrain as command

    task_file, recipe_file = _shipped(task, TASKS), _shipped(recipe, RECIPES)
    command.run(datasets, task_file, recipe_file, targets, out, device, threads, workers, console)


@app.command()
def evaluate(
    checkpoint: Checkpoint,
    episodes: Annotated[int, typer.Option(min=1, help='How many starts.')] = 50,
    seed: Seed = 10_000,
    action_steps: Annotated[
        int | None, typer.Option(min=1, help="T_a; default: the task's.")
    ] = None,
    inference_steps: Annotated[int | None, typer.Option(min=1, help='Denoising steps.')] = None,
    delay_steps: DelaySteps = 0,
    threads: Threads = 1,
    out: Out = Path('out/evaluation'),
) -> None:
    """Roll out a checkpoint in the headless environment of its task."""
    from dp_ros.commands import evaluate as command

    command.run(
        checkpoint, episodes, seed, action_steps, inference_steps, delay_steps, threads, out,
        console,
    )  # fmt: skip


@bag.command('info')
def bag_info(folder: Annotated[Path, typer.Argument(help='Folder of a bag.')]) -> None:
    """What a bag holds."""
    from dp_ros.commands import bag as command

    command.info(folder, console)


@bag.command('repair')
def bag_repair(folder: Annotated[Path, typer.Argument(help='Folder of a bag.')]) -> None:
    """Make a bag readable whose recorder was killed; the old file is kept beside it."""
    from dp_ros.commands import bag as command

    command.repair(folder, console)


@dataset.command()
def generate(
    task: Annotated[str, typer.Argument(help='pusht_cell, pusht_cell_image or two_arcs.')],
    out: Out,
    episodes: Annotated[int, typer.Option(min=2, help='How many that succeed.')] = 250,
    seed: Seed = 0,
    noise_mm: Annotated[float, typer.Option(min=0, help='Disturb what is executed.')] = 0.0,
    workers: Processes = CORES,
) -> None:
    """Let the scripted expert demonstrate."""
    from dp_ros.commands import dataset as command

    command.generate(task, out, episodes, seed, noise_mm / 1e3, workers, console)


@dataset.command()
def correct(
    checkpoint: Checkpoint,
    out: Out,
    episodes: Annotated[int, typer.Option(min=1, help='How many takeovers.')] = 100,
    seed: Seed = 200_000,
    action_steps: Annotated[
        int | None, typer.Option(min=1, help="T_a; default: the task's.")
    ] = None,
    delay_steps: DelaySteps = 0,
    threads: Threads = 1,
) -> None:
    """Let a policy run, and the expert finish from where it got to."""
    from dp_ros.commands import dataset as command

    command.correct(checkpoint, out, episodes, seed, action_steps, delay_steps, threads, console)


@dataset.command()
def render(
    source: Annotated[Path, typer.Argument(help='Episodes of pusht_cell (zarr), with states.')],
    task: Annotated[str, typer.Option(help='Task with cameras: a shipped name or a file.')],
    out: Out,
    seed: Annotated[int, typer.Option(help='Of the sensor noise.')] = 0,
    workers: Processes = CORES,
) -> None:
    """Show recorded states of the cell to the cameras of a task."""
    from dp_ros.commands import dataset as command

    command.render(source, _shipped(task, TASKS), out, seed, workers, console)


@dataset.command('import-pusht')
def import_pusht(
    source: Annotated[Path, typer.Argument(help='pusht_cchi_v7_replay.zarr of the authors.')],
    out: Out,
) -> None:
    """Import the human Push-T demonstrations, aligned so that each ends on the goal."""
    from dp_ros.commands import dataset as command

    command.import_pusht(source, out, console)


@dataset.command()
def info(path: Annotated[Path, typer.Argument(help='A replay buffer (zarr).')]) -> None:
    """Say what a data set holds."""
    from dp_ros.commands import dataset as command

    command.info(path, console)


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


def _shipped(name: str, folder: tuple[str, ...]) -> Path:
    """A file by path, or by the bare name of one that ships."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = share(*folder, f'{name}.yaml')
    if shipped.is_file():
        return shipped
    names = ', '.join(sorted(p.stem for p in share(*folder).glob('*.yaml')))
    raise ValueError(f'{name!r} is neither a file nor one of: {names}')


if __name__ == '__main__':
    main()
