"""Commands that run a graph, or look at one."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from dp_ros.bringup import DEFAULT_POLICY, planning
from dp_ros.cli.options import (
    DEVICES,
    ROBOTS,
    TASKS,
    Out,
    RobotFile,
    Seed,
    TaskFile,
    Transition,
    console,
    shipped,
    shipped_or_none,
    transition_name,
)
from dp_ros.data.episode import Frames
from dp_ros.learning.precision import Precision

app = typer.Typer()
calibrate = typer.Typer(help='Measure the robot, for its robot file.', no_args_is_help=True)
app.add_typer(calibrate, name='calibrate')


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
    transition: Transition = None,
    device: Annotated[
        str, typer.Option(help='cpu, openvino, cuda ...; default: a GPU if there is one.')
    ] = '',
    precision: Annotated[
        Precision, typer.Option(help='Of all denoising steps but the last.')
    ] = Precision.float32,
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
        int(rate_hz.value),
        planning(transition_name(transition), added_latency_ms, wait, device, precision.value),
        console,
    )  # fmt: skip


@app.command()
def demonstrate(
    out: Out = Path('recordings'),
    task: TaskFile = 'pusht_cell',
    robot: RobotFile = 'ur5e_sim',
    episodes: Annotated[int, typer.Option(min=1, help='How many episodes.')] = 10,
    seed: Seed = 3000,
) -> None:
    """Let the scripted operator teleoperate the simulated cell through Joy, and record it."""
    from dp_ros.commands import demonstrate as command

    command.run(shipped(task, TASKS), shipped(robot, ROBOTS), out, episodes, seed, console)


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


@app.command('robot')
def real_robot(
    robot: RobotFile,
    task: TaskFile,
    checkpoint: Annotated[
        Path | None, typer.Option(help='Folder of the policy; without one none runs.')
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="A person's: xbox, spacemouse ..., or a file.")
    ] = None,
    transition: Transition = None,
    policy_device: Annotated[
        str, typer.Option(help='cpu, openvino, cuda ...; default: a GPU if there is one.')
    ] = '',
    policy_precision: Annotated[
        Precision, typer.Option(help='Of all denoising steps but the last.')
    ] = Precision.float32,
    out: Out = Path('out/robot'),
) -> None:
    """Run cameras, executor, policy and device until Ctrl-C, as robot.launch.py does."""
    from dp_ros.commands import robot as command

    command.run(
        shipped(robot, ROBOTS), shipped(task, TASKS), checkpoint,
        shipped_or_none(device, DEVICES),
        planning(
            transition_name(transition), device=policy_device, precision=policy_precision.value
        ),
        out, console,
    )  # fmt: skip


@app.command()
def arm() -> None:
    """Hand the arm of the graph that runs to its policy. It moves."""
    from dp_ros.commands import robot as command

    command.call('arm', console)


@app.command()
def hold() -> None:
    """Brake the arm; it stays where it stands until it is armed again."""
    from dp_ros.commands import robot as command

    command.call('hold', console)


@app.command()
def recover() -> None:
    """Clear a stop of the controller: the arm goes slowly back to where it was, and holds."""
    from dp_ros.commands import robot as command

    command.call('recover', console)


@app.command()
def release() -> None:
    """Brake the arm, and command it no more."""
    from dp_ros.commands import robot as command

    command.call('release', console)


@app.command()
def teleop(
    device: Annotated[str, typer.Option(help='keyboard, xbox, spacemouse ..., or a file.')],
    task: TaskFile,
) -> None:
    """Move the arm by hand; the executor must run in the same ROS domain."""
    from dp_ros.commands import teleop as command

    command.run(shipped(device, DEVICES), shipped(task, TASKS), console)


@app.command()
def record(
    task: TaskFile,
    robot: RobotFile,
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
    files = shipped(task, TASKS), shipped(robot, ROBOTS)
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
