"""`dp-ros benchmark`: measures."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help='Measure: what latency costs.', no_args_is_help=True)
console = Console()


@app.callback()
def _benchmark() -> None:
    """Measure: what latency costs."""


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
