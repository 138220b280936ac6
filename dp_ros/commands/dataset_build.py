"""dp-ros dataset build: recorded episodes to a data set that a policy is trained on."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from dp_ros.data import bag_choice, dataset_build, replay_buffer
from dp_ros.data.audit import load_thresholds
from dp_ros.data.dataset_part import Choices, Job, Part
from dp_ros.data.episode_steps import CommandedBy
from dp_ros.data.replay_buffer import DatasetError
from dp_ros.data.task_pools import Pool, Processes, Ray
from dp_ros.paths import share
from dp_ros.robot import load_robot
from dp_ros.task import Task, load_task


def run(
    paths: Sequence[Path],
    out: Path,
    task_file: Path | None,
    robot_file: Path | None,
    commanded_by: str,
    thresholds_file: Path | None,
    workers: int,
    ray: str | None,
    console: Console,
) -> None:
    """Build the set `out` of the bags at `paths`; raises BagError, DatasetError, ConfigError.

    thresholds_file: of the audit, None: no bag is left out for what it would complain of.
    ray: address of the Ray cluster that does it, None: `workers` processes of this machine. Raises
    ImportError where Ray is asked for and not installed.
    """
    pool = Processes(workers) if ray is None else Ray(ray, workers)
    task = load_task(task_file) if task_file else None
    robot = load_robot(robot_file) if robot_file else None
    chosen = bag_choice.choose(paths, task, robot)
    thresholds = load_thresholds(thresholds_file) if thresholds_file else None
    choices = Choices(chosen.task, chosen.robot, CommandedBy(commanded_by), thresholds)
    jobs = dataset_build.jobs(chosen.bags, out, choices)
    if chosen.thrown_away:
        console.print(f'bags in a trash folder, passed by: {chosen.thrown_away}')
    try:
        parts = _built(jobs, out, pool, console)
    except OSError as error:
        raise dataset_build.disk_refused(error, out) from None
    _report(parts, out, task_file, chosen.task, console)


def _built(jobs: list[Job], out: Path, pool: Pool, console: Console) -> list[Part]:
    """Make the parts and, of them, the set."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        made = dataset_build.make_parts(jobs, pool)
        drawn = dict(bar.track(made, total=len(jobs), description='bags read'))
        parts = dataset_build.without_copies([drawn[index] for index in range(len(jobs))])
        if not any(part.stretches for part in parts):
            dataset_build.forget(out)
            told = [*_left_out(parts), f'{out} was not written: no bag yields an episode']
            raise DatasetError('\n'.join(told))
        writing = bar.add_task('steps written', total=sum(part.steps for part in parts))
        dataset_build.merge(jobs, parts, out, lambda count: bar.advance(writing, count))
    return parts


def _report(
    parts: list[Part], out: Path, task_file: Path | None, task: Task, console: Console
) -> None:
    """What was used, what was left out and why, and what comes next."""
    left_out = _left_out(parts)
    for sentence in left_out:
        console.print(Text.assemble(('left out: ', 'yellow'), sentence), soft_wrap=True)
    if left_out:
        console.print('What only the audit complains of is taken with --force.')
    used = [part for part in parts if part.stretches]
    episodes = [stretch for part in used for stretch in part.stretches]
    lengths = [stretch.steps for stretch in episodes]
    modes = Counter(stretch.mode for stretch in episodes)
    console.print(
        f'bags: {len(used)} of {len(parts)}; '
        f'episodes: {", ".join(f"{count} {mode}" for mode, count in modes.items())}; '
        f'steps: {sum(lengths)} of {task.period_ns / 1e9:g} s, {min(lengths)} to {max(lengths)} '
        f'an episode'
    )
    losses = Counter({'no command at their end': sum(part.unlabelled for part in used)})
    for part in used:
        losses.update(part.refused)
    for why, count in losses.items():
        if count:
            console.print(f'  left out: {count} steps ({why})')
    alone = sum(part.alone for part in used)
    if alone:
        console.print(f'  left out: {alone} stretches of one step')
    for name, columns in _columns(task).items():
        console.print(f'  {name}: {", ".join(columns)}')
    for name, shape in replay_buffer.shapes(out).items():
        if name not in ('state', 'action'):
            console.print(f'  {name}: {" x ".join(map(str, shape[1:])) or 1}')
    chosen = _chosen(task_file, task)
    console.print(
        f'{out} is written. Next: dp-ros train {out} {chosen} -o out/{task.name}', soft_wrap=True
    )


def _chosen(task_file: Path | None, task: Task) -> str:
    """Options of `dp-ros train` for a task that may be nobody's but the user's."""
    ships = share('config', 'tasks', f'{task.name}.yaml').is_file()
    named = task_file or (task.name if ships else f'{task.name.upper()}.yaml')
    if share('config', 'training', f'{task.name}.yaml').is_file():
        return f'--task {named}'
    return f'--task {named} --recipe {"image_small" if task.cameras else "paper_unet_state"}'


def _left_out(parts: list[Part]) -> list[str]:
    """A sentence for each bag that was left out."""
    told = []
    for part in parts:
        why = '; '.join(part.why_left_out)
        if why:
            told.append(why if why.startswith(part.bag) else f'{part.bag}: {why}')
    return told


def _columns(task: Task) -> dict[str, list[str]]:
    state = [f'{stream.name}.{name}' for stream in task.vectors for name in stream.components]
    return {'state': state, 'action': list(task.action.components)}
