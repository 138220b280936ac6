"""`dp-ros benchmark`: measures."""

from pathlib import Path
from typing import Annotated

import typer

from dp_ros.cli.options import ROBOTS, Checkpoint, Out, Seed, Threads, console, shipped

app = typer.Typer(
    help='Measure: what latency costs, and how good policies are.', no_args_is_help=True
)


@app.callback()
def _benchmark() -> None:
    """Measure: what latency costs, and how good policies are."""


@app.command()
def delay(
    task: Annotated[str, typer.Option(help='cell, gym or both.')] = 'both',
    out: Annotated[Path, typer.Option('--out', '-o', help='Where the results go.')] = Path(
        'out/benchmark/delay'
    ),
    checkpoint: Annotated[
        Path | None, typer.Option(help='Of one task; default: the shipped ones.')
    ] = None,
    prefix_checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            help='For the strategy prefix, cell before gym; default: CHECKPOINT, if trained so.'
        ),
    ] = None,
    strategies: Annotated[
        str, typer.Option(help='With settings as in guided:beta=5:sd=1; all if not given.')
    ] = '',
    latencies: Annotated[
        str, typer.Option(help='Added in the cell [ms]; 100+200: and up to 200 more at random.')
    ] = '0,50,100,200,300,100+200',
    delay_steps: Annotated[str, typer.Option(help='Delays in gym [steps].')] = '0,1,2,3,4',
    seeds: Annotated[int, typer.Option(min=1, help='Episodes of each row in the cell.')] = 20,
    gym_seeds: Annotated[int, typer.Option(min=1, help='Episodes of each row in gym.')] = 50,
    seed: Annotated[int, typer.Option(help='Seed of the first episode.')] = 40_000,
    inference_clock: Annotated[
        str, typer.Option(help='What is charged for thinking: wall time, or cpu time.')
    ] = 'wall',
    inference_ms: Annotated[
        float | None, typer.Option(min=0, help='Charge this, whatever was measured.')
    ] = None,
    capture_ms: Annotated[float, typer.Option(min=0, help='Age of observations.')] = 0.0,
    limit_s: Annotated[
        float, typer.Option(min=1, help='Length of an episode in the cell.')
    ] = 60.0,
    workers: Annotated[int, typer.Option(min=1, help='Processes.')] = 1,
    report: Annotated[
        bool, typer.Option('--report', help='Run nothing; tables of what is there already.')
    ] = False,
    page: Annotated[
        Path | None, typer.Option(help='A page whose tables are renewed; the picture beside it.')
    ] = None,
) -> None:
    """Success, seams and mode flips over latency, for each way of joining chunks.

    An interrupted run goes on where it stopped: each episode is kept in OUT/records.jsonl.
    """
    from dp_ros.commands import benchmark_delay as command
    from dp_ros.commands.benchmark_choices import sweep

    command.run(
        sweep(
            task, checkpoint, prefix_checkpoint or [], strategies, latencies, delay_steps,
            range(seed, seed + seeds), range(seed, seed + gym_seeds), inference_clock,
            inference_ms, limit_s, capture_ms, console,
        ),
        0 if report else workers, out, page, console,
    )  # fmt: skip


@app.command()
def modes(
    checkpoint: Annotated[Path, typer.Argument(help='Folder of a checkpoint of pusht_gym.')],
    out: Annotated[Path, typer.Option('--out', '-o', help='Where the results go.')],
    rollouts: Annotated[int, typer.Option(min=1, help='All from the same state.')] = 40,
    threads: Annotated[int, typer.Option(min=1, help='CPU threads for torch.')] = 1,
) -> None:
    """Left, right or straight on: where a policy goes from a state in front of the T's stem."""
    from dp_ros.commands import modes as command

    command.run(checkpoint, rollouts, threads, out, console)


@app.command()
def arms(
    checkpoint: Checkpoint,
    out: Out,
    robot: Annotated[str, typer.Option(help='Of both arms: a shipped name or a file.')] = (
        'ur5e_sim'
    ),
    episodes: Annotated[int, typer.Option(min=1, help='How many starts.')] = 50,
    seed: Seed = 10_000,
    delay_ms: Annotated[float, typer.Option(min=0, help='From a window to its chunk.')] = 150.0,
    threads: Threads = 1,
) -> None:
    """One policy for two arms, each behind its own limits, while both move on."""
    from dp_ros.commands import arms as command

    command.run(
        checkpoint, shipped(robot, ROBOTS), episodes, seed, delay_ms, threads, out, console
    )


@app.command()
def evidence(
    demonstrations: Annotated[
        Path | None,
        typer.Option(help='The human Push-T demonstrations, pusht_cchi_v7_replay.zarr.'),
    ] = None,
    tables: Annotated[
        str, typer.Option(help='Which to work on.')
    ] = 'methods,samplers,horizons,modes,stability,dimensions',
    methods: Annotated[
        str, typer.Option(help='Which to train, in this order, as in cnn,ibc; default: all.')
    ] = '',
    seeds: Annotated[int, typer.Option(min=1, help='Training seeds of each method.')] = 3,
    episodes: Annotated[int, typer.Option(min=1, help='Of each evaluation.')] = 50,
    workers: Annotated[int, typer.Option(min=1, help='Trainings side by side.')] = 1,
    out: Annotated[
        Path, typer.Option('--out', '-o', help='Where checkpoints and logs go.')
    ] = Path('out/evidence'),
    results: Annotated[
        Path, typer.Option(help='Where the records go, which the tables are made from.')
    ] = Path('docs/evidence'),
    page: Annotated[
        Path, typer.Option(help='Its tables are renewed; pictures in evidence/ beside it.')
    ] = Path('docs/evidence.md'),
    report: Annotated[
        bool, typer.Option('--report', help='Run nothing; page and pictures from the records.')
    ] = False,
) -> None:
    """Train, evaluate, tabulate and draw what the paper's tables and figures show.

    An interrupted run goes on where it stopped: within a training, and from job to job.
    """
    from dp_ros.commands.evidence import contenders, suite
    from dp_ros.commands.evidence.evaluation import Starts
    from dp_ros.commands.evidence.workbench import Workbench

    chosen = suite.Choice(
        [table.strip() for table in tables.split(',')],
        contenders.chosen(methods),
        seeds,
        Starts(episodes),
    )
    bench = Workbench(out, demonstrations)
    places = suite.Places(results, page)
    suite.run(chosen, bench, 0 if report else workers, places, console)
