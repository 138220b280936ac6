"""Commands on bags: replay, look at, repair."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dp_ros.cli.options import (
    Joins,
    Out,
    Transition,
    console,
    transition_name,
)

app = typer.Typer()
bag = typer.Typer(help='Recorded episodes: look at, repair.', no_args_is_help=True)
app.add_typer(bag, name='bag')


LIVE_ALONE = ('robot', 'speed')
LOCKSTEP_ALONE = (
    'seed', 'processing_ms', 'latency_ms', 'jitter_ms', 'drop', 'reference', 'update_reference',
    'tolerance', 'max_error', 'allow_refusals',
)  # fmt: skip


@app.command()
def replay(
    context: typer.Context,
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
    _refuse_given(context, LIVE_ALONE if lockstep else LOCKSTEP_ALONE, lockstep)
    if not lockstep:
        from dp_ros.commands import replay_live

        name = transition_name(transition)
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


def _refuse_given(context: typer.Context, names: Sequence[str], lockstep: bool) -> None:
    """Raise ValueError where an option of `names` was given: it would do nothing."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == 'COMMANDLINE':
            option = f'--{name.replace("_", "-")}'
            raise ValueError(
                f'{option} does nothing with --lockstep; leave one of them out'
                if lockstep
                else f'{option} does nothing without --lockstep; add that, or leave {option} out'
            )


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
