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
from dp_ros.bringup import DEFAULT_POLICY, planning
from dp_ros.commands import benchmark
from dp_ros.data.episode import Frames
from dp_ros.paths import share
from dp_ros.running import GraphError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={'help_option_names': ['-h', '--help']},
)
dataset = typer.Typer(help='Demonstrations: make, correct, import, look at.', no_args_is_help=True)
app.add_typer(dataset, name='dataset')
bag = typer.Typer(help='Recorded episodes: look at, repair.', no_args_is_help=True)
app.add_typer(bag, name='bag')
app.add_typer(benchmark.app, name='benchmark')
calibrate = typer.Typer(help='Measure the robot, for its robot file.', no_args_is_help=True)
app.add_typer(calibrate, name='calibrate')
console = Console()

# A task or recipe may be given by the name of a file that ships, or by a path.
TASKS, RECIPES = ('config', 'tasks'), ('config', 'training')
DEVICES = ('config', 'teleop')
ROBOTS = ('config', 'robots')

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
    typer.Option(help="How a chunk takes over; default: the robot's, and switch in lock-step."),
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


class Rate(str, Enum):
    """Rates of the command stream."""

    hz_125 = '125'
    hz_500 = '500'


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
    transition: Transition = None,
    added_latency_ms: Annotated[
        float, typer.Option(min=0, help='Let each chunk come so much later, as an experiment.')
    ] = 0.0,
    wait: Annotated[
        bool, typer.Option('--wait', help='Let the arm stand while the policy thinks.')
    ] = False,
) -> None:
    """Run the whole graph on the simulated cell and report."""
    from dp_ros.commands import demo as command

    command.run(
        out, episodes, seed, video, policy.value, checkpoint, robot, address, series.value,
        int(rate_hz.value), planning(_name(transition), added_latency_ms, wait), console,
    )  # fmt: skip


@app.command()
def demonstrate(
    out: Out = Path('recordings'),
    task: Annotated[
        str, typer.Option(help='Task description: a shipped name or a file.')
    ] = 'pusht_cell',
    robot: Annotated[str, typer.Option(help='Robot file: a shipped name or a file.')] = 'ur5e_sim',
    episodes: Annotated[int, typer.Option(min=1, help='How many episodes.')] = 10,
    seed: Seed = 3000,
) -> None:
    """Let the scripted operator teleoperate the simulated cell through Joy, and record it."""
    from dp_ros.commands import demonstrate as command

    command.run(_shipped(task, TASKS), _shipped(robot, ROBOTS), out, episodes, seed, console)


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


@calibrate.command('servo')
def calibrate_servo(
    robot: Annotated[Path, typer.Argument(help='Robot file.')],
    out: Out = Path('out/servo'),
    seconds: Annotated[float, typer.Option(min=5, max=120, help='How long the arm moves.')] = 10.0,
    lookahead: Annotated[
        list[float] | None, typer.Option(help='Another lookahead to measure [s]; may be repeated.')
    ] = None,
    gain: Annotated[
        list[float] | None, typer.Option(help='Another gain to measure; may be repeated.')
    ] = None,
    attach: Annotated[bool, typer.Option(help='Use the graph that runs in this domain.')] = False,
    write: Annotated[
        bool, typer.Option('--write', help='Write the lead into the robot file.')
    ] = False,
) -> None:
    """Measure how late the arm follows its commands. The arm moves by 3 cm."""
    from dp_ros.commands import calibrate as command

    command.servo(robot, out, seconds, lookahead or [], gain or [], attach, write, console)


@app.command()
def teleop(
    device: Annotated[str, typer.Option(help='keyboard, xbox, spacemouse ..., or a file.')],
    task: Annotated[str, typer.Option(help='Task description: a shipped name or a file.')],
) -> None:
    """Move the arm by hand; the executor must run in the same ROS domain."""
    from dp_ros.commands import teleop as command

    command.run(_shipped(device, DEVICES), _shipped(task, TASKS), console)


@app.command()
def record(
    task: Annotated[str, typer.Option(help='Task description: a shipped name or a file.')],
    robot: Annotated[str, typer.Option(help='Robot file: a shipped name or a file.')],
    out: Out = Path('recordings'),
    operator: Annotated[str, typer.Option(help='Who teleoperates.')] = '',
    frames: Annotated[Frames, typer.Option(help='How raw frames are stored.')] = Frames.raw,
    jpeg_quality: Annotated[int, typer.Option(min=1, max=100)] = 90,
    h264_crf: Annotated[int, typer.Option(min=0, max=51, help='0 is the best.')] = 18,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help='Record one episode of this length, and end.')
    ] = None,
    partial: Annotated[
        bool, typer.Option('--partial', help='Although a stream of the task is silent.')
    ] = False,
) -> None:
    """Record episodes of the graph in this ROS domain, one bag each; keys start and stop."""
    from dp_ros.commands import record as command

    choices = command.Choices(operator, frames.value, jpeg_quality, h264_crf, partial)
    files = _shipped(task, TASKS), _shipped(robot, ROBOTS)
    command.run(*files, out, choices, seconds, console)


@app.command()
def top(
    once: Annotated[bool, typer.Option('--once', help='Print one page, and end.')] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help='Show it, or listen, for so long.')
    ] = None,
) -> None:
    """Why did the arm stop? The health of the graph in this ROS domain, on one page."""
    from dp_ros.commands import top as command

    command.run(once, seconds, console)


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
def distill(
    teacher: Annotated[Path, typer.Argument(help='Folder of the checkpoint to distil.')],
    datasets: Annotated[list[Path], typer.Argument(help='The replay buffers it learned from.')],
    out: Out,
    recipe: Annotated[
        str | None, typer.Option(help='Recipe; default: the one named TASK_distilled.')
    ] = None,
    device: Annotated[str, typer.Option(help='cpu, cuda, cuda:1 ...')] = 'cpu',
    threads: Threads = 1,
    workers: Workers = 2,
) -> None:
    """Teach a policy to denoise in one step or few; an interrupted run goes on."""
    from dp_ros.commands import distill as command
    from dp_ros.learning import checkpoint

    loaded = checkpoint.load(teacher)
    recipe_file = _shipped(recipe or f'{loaded.task.name}_distilled', RECIPES)
    command.run(loaded, datasets, recipe_file, out, device, threads, workers, console)


@app.command('import-checkpoint')
def import_checkpoint(
    file: Annotated[
        Path, typer.Argument(help='Its weights: .safetensors, or tensors saved by torch.')
    ],
    task: Annotated[str, typer.Option(help='Task description: a shipped name or a file.')],
    recipe: Annotated[str, typer.Option(help='What it is: a shipped recipe or a file.')],
    out: Out,
) -> None:
    """Import a policy for states of the original project, real-stanford/diffusion_policy."""
    from dp_ros.commands import import_checkpoint as command

    command.run(file, _shipped(task, TASKS), _shipped(recipe, RECIPES), out, console)


@app.command()
def evaluate(
    checkpoint: Checkpoint,
    episodes: Annotated[int, typer.Option(min=1, help='How many starts.')] = 50,
    seed: Seed = 10_000,
    action_steps: Annotated[
        int | None, typer.Option(min=1, help="T_a; default: the task's.")
    ] = None,
    sampler: Annotated[
        Samplers | None, typer.Option(help="How it is denoised; default: the recipe's.")
    ] = None,
    inference_steps: Annotated[int | None, typer.Option(min=1, help='Denoising steps.')] = None,
    delay_steps: DelaySteps = 0,
    transition: Joining = Joins.switch,
    threads: Threads = 1,
    out: Out = Path('out/evaluation'),
) -> None:
    """Roll out a checkpoint in the headless environment of its task."""
    from dp_ros.commands import evaluate as command

    command.run(
        checkpoint, episodes, seed, action_steps, sampler.value if sampler else None,
        inference_steps, delay_steps, transition.value, threads, out, console,
    )  # fmt: skip


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(metavar='BAG', help='Folder of a bag.')],
    lockstep: Annotated[
        bool, typer.Option('--lockstep', help='No ROS and no clock: the same bytes each time.')
    ] = False,
    checkpoint: Annotated[Path | None, typer.Option(help='Policy to replay against.')] = None,
    robot: Annotated[Path | None, typer.Option(help='Robot file; default: the recorded.')] = None,
    speed: Annotated[float, typer.Option(min=0.01, help='How fast time runs, live.')] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help='Of noise and injected trouble.')] = 0,
    processing_ms: Annotated[
        float, typer.Option(min=0, help='How long a prediction is declared to take.')
    ] = 60.0,
    latency_ms: Annotated[
        list[str] | None, typer.Option(help='Delay of every topic, or TOPIC=MS.')
    ] = None,
    jitter_ms: Annotated[
        list[str] | None, typer.Option(help='Largest further delay, at random, or TOPIC=MS.')
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(help='Share of the messages lost, or TOPIC=SHARE.')
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help='Golden result to compare with, field by field.')
    ] = None,
    update_reference: Annotated[
        bool, typer.Option('--update-reference', help='Write it instead.')
    ] = False,
    tolerance: Annotated[float, typer.Option(min=0, help='Of the comparison [mm, mrad].')] = 0.1,
    max_error: Annotated[
        float | None,
        typer.Option(min=0, help='Largest 90th percentile of the executed steps [mm, mrad].'),
    ] = None,
    allow_refusals: Annotated[
        bool, typer.Option('--allow-refusals', help='Even if most windows are refused.')
    ] = False,
    transition: Transition = None,
    out: Out = Path('out/replay'),
) -> None:
    """Replay a bag: live through its topics, or in lock-step against a checkpoint."""
    if checkpoint is None:
        raise ValueError('replay needs a policy: --checkpoint FOLDER, as models/pusht_cell')
    if not lockstep:
        from dp_ros.commands import replay_live

        name = _name(transition)
        replay_live.run(folder, checkpoint, robot, speed, out, console, name)
        return
    from dp_ros.commands import replay_lockstep as command
    from dp_ros.replay import injection
    from dp_ros.replay.replay import Declared

    links = injection.parse(latency_ms or [], jitter_ms or [], drop or [], seed)
    joins = (transition or Joins.switch).value
    declared = Declared(seed, round(processing_ms * 1e6), links, joins)
    judgement = command.Judgement(
        reference, update_reference, tolerance, max_error, allow_refusals
    )
    command.run(folder, checkpoint, declared, judgement, out, console)


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
) -> None:
    """Make a data set of recorded episodes; an interrupted build goes on where it stopped."""
    from dp_ros.commands import dataset_build as command

    task_file = _shipped(task, TASKS) if task else None
    robot_file = _shipped(robot, ROBOTS) if robot else None
    audited = None if force else thresholds or share('config', 'audit.yaml')
    command.run(
        bags, out, task_file, robot_file, commanded_by.value, audited, workers, console
    )  # fmt: skip


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
    transition: Joining = Joins.switch,
    threads: Threads = 1,
) -> None:
    """Let a policy run, and the expert finish from where it got to."""
    from dp_ros.commands import dataset as command

    command.correct(
        checkpoint, out, episodes, seed, action_steps, delay_steps, transition.value, threads,
        console,
    )  # fmt: skip


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


@dataset.command('export')
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

    command.export_set(source, out, _shipped(task, TASKS), form.value, full_colour, console)


@dataset.command('import')
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
        source, out, _shipped(task, TASKS), form.value, mapping or [], next_actions, console
    )


@dataset.command()
def info(path: Annotated[Path, typer.Argument(help='A replay buffer (zarr).')]) -> None:
    """Say what a data set holds."""
    from dp_ros.commands import dataset as command

    command.info(path, console)


@dataset.command('audit')
def dataset_audit(
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

    task_file = _shipped(task, TASKS) if task else None
    robot_file = _shipped(robot, ROBOTS) if robot else None
    file = thresholds or share('config', 'audit.yaml')
    sound = command.run(bags, out, task_file, robot_file, file, console)
    if strict and not sound:
        raise typer.Exit(1)


@dataset.command('show')
def dataset_show(
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

    task_file = _shipped(task, TASKS) if task else None
    robot_file = _shipped(robot, ROBOTS) if robot else None
    command.run(path, episode, out, rerun, task_file, robot_file, console)


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


def _name(transition: Joins | None) -> str:
    return transition.value if transition else ''


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
